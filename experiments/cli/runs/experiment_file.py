"""The experiment file of a command, checked against a store and the environment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from experiments.generation.pinning import pin_snapshot
from experiments.notifications import open_channels
from experiments.scope.known_names import read_known_names
from experiments.spec import load_spec
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from experiments.notifications import Channel
    from experiments.spec import ExperimentSpec


def load_checked(
    path: Path, store_url: str, snapshot: int | None
) -> tuple[ExperimentSpec, Mapping[str, Channel]]:
    """Return the experiment of a file, and the channels of its owners.

    Args:
        path: The file.
        store_url: The store that has the names in it.
        snapshot: Append position up to which is read; the newest if None.

    Raises:
        SpecNotFound: The file is not there.
        InvalidSpec: Every mistake in it is told.
        UnknownSnapshot: The store has not reached it.
        ChannelNotGiven: The environment lacks addresses of owners.
    """
    with Store.open(store_url) as store:
        names = read_known_names(store, pin_snapshot(store, snapshot))
        spec = load_spec(path, names=names)
    return spec, open_channels(spec.notifications.owners, os.environ)
