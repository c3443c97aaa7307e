"""Messages to the owners of an experiment: of its start, trouble and end.

- `events`: what owners are told of.
- `templates`: texts with named fields: their mistakes, and how they are filled in.
- `builtin`: the messages of a file that has none of its own.
- `messages`: owners, and the message for each of them.
- `channels`: addresses from the environment, through Apprise.
- `delivery`, `notifier`: sending in the background, with patience.
"""

from __future__ import annotations

from experiments.notifications.channels import Channel, forget_addresses, open_channels
from experiments.notifications.delivery import Persistence
from experiments.notifications.events import Ended, Started, Troubled
from experiments.notifications.messages import Notifications
from experiments.notifications.notifier import Notifier

__all__ = [
    "Channel",
    "Ended",
    "Notifications",
    "Notifier",
    "Persistence",
    "Started",
    "Troubled",
    "forget_addresses",
    "open_channels",
]
