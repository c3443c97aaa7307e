"""Members' events in columns, and how much each says for or against a title."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from timetravel.facts.model import EventKind
from worlds.features.fixed_point import to_fixed

if TYPE_CHECKING:
    from core.arrays import BoolArray, Float32Array, Int8Array, Int64Array

SPEAKING_KINDS: Final = (EventKind.RATING, EventKind.PLAY, EventKind.THUMB, EventKind.LIST)
"""Kinds of events that say something about a title."""

_NEUTRAL_STARS: Final = 3.0
_STARS_TO_FULL: Final = 2.0
_NEUTRAL_SHARE: Final = 0.3
_LISTED: Final = 0.5
_UP_STARS: Final = 4.5
_DOWN_STARS: Final = 1.5


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """Hold events in any order.

    Args:
        profile_ids: int64[events].
        video_ids: int64[events].
        event_at: int64[events], microseconds.
        kinds: int8[events], see `timetravel.facts.model.EventKind`.
        values: float32[events]; NaN where an event has none.
    """

    profile_ids: Int64Array
    video_ids: Int64Array
    event_at: Int64Array
    kinds: Int8Array
    values: Float32Array

    def __len__(self) -> int:
        return len(self.profile_ids)

    def where(self, chosen: BoolArray) -> Events:
        """Return the chosen events."""
        return Events(
            self.profile_ids[chosen],
            self.video_ids[chosen],
            self.event_at[chosen],
            self.kinds[chosen],
            self.values[chosen],
        )


def is_of_kinds(events: Events, *kinds: EventKind) -> BoolArray:
    """Return whether each event is of one of the kinds: bool[events]."""
    return np.isin(events.kinds, np.array([kind.value for kind in kinds], np.int8))


def liking(events: Events) -> Int64Array:
    """Return how much each event says for (up to 1) or against (down to -1) its title.

    RATING: (stars - 3) / 2. PLAY: (share - 0.3) / 0.7. THUMB: 1 or -1. LIST: 0.5 when put on
    the list. Anything else says nothing.

    Returns:
        int64[events] in fixed point.
    """
    values = np.nan_to_num(events.values.astype(np.float64))
    said = np.select(
        [events.kinds == kind.value for kind in SPEAKING_KINDS],
        [
            (values - _NEUTRAL_STARS) / _STARS_TO_FULL,
            (values - _NEUTRAL_SHARE) / (1 - _NEUTRAL_SHARE),
            values,
            values * _LISTED,
        ],
        0.0,
    )
    return to_fixed(np.clip(said, -1.0, 1.0))


def stars(opinions: Events) -> Int64Array:
    """Return ratings and thumbs as stars in fixed point; a thumb up is 4.5, down 1.5."""
    is_rating = opinions.kinds == EventKind.RATING.value
    thumbs = np.where(opinions.values > 0, _UP_STARS, _DOWN_STARS)
    return to_fixed(np.where(is_rating, opinions.values.astype(np.float64), thumbs))


def find_places(ascending: Int64Array, wanted: Int64Array) -> Int64Array:
    """Return the place of each wanted id among ascending ids, -1 where it is not there."""
    if len(ascending) == 0:
        return np.full(len(wanted), -1, np.int64)
    places = np.minimum(np.searchsorted(ascending, wanted), len(ascending) - 1)
    return np.where(ascending[places] == wanted, places, -1).astype(np.int64)
