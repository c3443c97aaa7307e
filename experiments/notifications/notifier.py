"""Tells the owners of an experiment what happens to it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

import structlog

from core.errors import InvalidInput
from experiments.notifications.delivery import Lane, Parcel, Persistence
from experiments.notifications.events import Occasion
from experiments.notifications.messages import compose_messages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from experiments.notifications.channels import Channel
    from experiments.notifications.delivery import Clock, Wait
    from experiments.notifications.events import Event
    from experiments.notifications.messages import Notifications

_log = structlog.get_logger("experiments.notifications")


class Notifier:
    """Tell owners, in the background; whatever a channel does, nothing fails or waits.

    A context manager, which is closed at its end. All threads of a run may share it.

    Args:
        notifications: Who is told, and in which words.
        channels: Those of all owners, by name (`open_channels`).
        persistence: How long delivery is tried.
        clock: Seconds that only grow, e.g. `time.monotonic`.
        wait: Waits for an event, e.g. `threading.Event.wait`.

    Raises:
        InvalidInput: A channel of an owner is missing.
    """

    def __init__(
        self,
        notifications: Notifications,
        channels: Mapping[str, Channel],
        persistence: Persistence,
        *,
        clock: Clock,
        wait: Wait,
    ) -> None:
        wanted = {name for owner in notifications.owners for name in owner.channels}
        if not wanted <= channels.keys():
            raise InvalidInput(
                f"{sorted(wanted - channels.keys())} are not among the channels.",
                remedy="Open those of all owners.",
                field="channels",
            )
        self._notifications = notifications
        self._persistence = persistence
        self._clock = clock
        self._wait = wait
        self._lock = threading.Lock()
        self._closed = False
        self._troubles = 0
        self._lanes = {
            name: Lane(name, channel, persistence, clock, wait)
            for name, channel in channels.items()
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def tell(self, event: Event) -> None:
        """Tell every owner of an event; returns at once.

        Trouble is told so often and no more; nothing is told after the end.
        """
        with self._lock:
            withheld = self._closed
            if event.occasion is Occasion.TROUBLE:
                self._troubles += 1
                withheld |= self._troubles > self._persistence.troubles
            if not withheld:
                # In the lock, so that messages leave in the order of the events.
                for owner, message in compose_messages(self._notifications, event):
                    parcel = Parcel(owner.name, event.occasion, message)
                    for channel in owner.channels:
                        self._lanes[channel].put(parcel)
        if withheld and self._notifications.owners:
            _log.warning("notification_withheld", occasion=event.occasion.value)

    def close(self) -> None:
        """Wait for what is not sent yet, so long and no longer, and log what is left."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        for lane in self._lanes.values():
            lane.finish()
        until = self._clock() + self._persistence.closing_seconds
        for lane in self._lanes.values():
            self._wait(lane.done, max(0.0, until - self._clock()))
        for name, lane in self._lanes.items():
            for parcel in lane.abandon():
                _log.warning(
                    "notification_not_sent",
                    channel=name,
                    owner=parcel.owner,
                    occasion=parcel.occasion.value,
                )
