"""What members did, written down by hand: for features whose values are worked out by hand."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from timetravel.facts.model import EventKind
from worlds.durations import DAY_MICROS
from worlds.features.events import Events

NOW: Final = 20_000 * DAY_MICROS
"""When features are computed."""


class Deed(NamedTuple):
    """Say what a profile did with a video, and how many days before NOW."""

    profile: int
    video: int
    days_ago: float
    kind: EventKind = EventKind.PLAY
    value: float = 1.0


def as_events(*deeds: Deed) -> Events:
    """Return the deeds as columns, in their order."""
    return Events(
        np.array([deed.profile for deed in deeds], np.int64),
        np.array([deed.video for deed in deeds], np.int64),
        np.array([NOW - round(deed.days_ago * DAY_MICROS) for deed in deeds], np.int64),
        np.array([deed.kind.value for deed in deeds], np.int8),
        np.array([deed.value for deed in deeds], np.float32),
    )
