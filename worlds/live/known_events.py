"""Events known to the live system."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

import numpy as np

from timetravel.facts.model import Op
from worlds.features.events import Events

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.arrays import Int64Array
    from timetravel.facts.model import EventFact

_FIRST_CAPACITY: Final = 1024


class KnownEvents:
    """Keep events in columns; facts must come in the order in which they become known."""

    def __init__(self) -> None:
        self._count = 0
        self._columns = Events(
            np.empty(0, np.int64),
            np.empty(0, np.int64),
            np.empty(0, np.int64),
            np.empty(0, np.int8),
            np.empty(0, np.float32),
        )
        self._stands = np.empty(0, np.bool_)
        self._places: dict[str, int] = {}
        self._of_profile: defaultdict[int, list[int]] = defaultdict(list)

    def learn(self, fact: EventFact) -> None:
        """Take in an event; a correction replaces it, a retraction removes it."""
        before = self._places.get(fact.event_id)
        if before is not None:
            self._stands[before] = False
        if fact.op is not Op.ASSERT:
            return
        place = self._count
        if place == len(self._stands):
            self._grow()
        self._columns.profile_ids[place] = fact.profile_id
        self._columns.video_ids[place] = fact.video_id
        self._columns.event_at[place] = fact.event_at
        self._columns.kinds[place] = fact.kind.value
        self._columns.values[place] = np.nan if fact.value is None else fact.value
        self._stands[place] = True
        self._places[fact.event_id] = place
        self._of_profile[fact.profile_id].append(place)
        self._count += 1

    def all(self) -> Events:
        """Return all events that stand, in no particular order."""
        stands = self._stands[: self._count]
        return _first(self._columns, self._count).where(stands)

    def of_profiles(self, profile_ids: Sequence[int]) -> Events:
        """Return the events of some profiles that stand, in no particular order."""
        places = np.array(
            [place for profile in profile_ids for place in self._of_profile.get(profile, ())],
            np.int64,
        )
        chosen: Int64Array = places[self._stands[places]]
        return Events(
            self._columns.profile_ids[chosen],
            self._columns.video_ids[chosen],
            self._columns.event_at[chosen],
            self._columns.kinds[chosen],
            self._columns.values[chosen],
        )

    def _grow(self) -> None:
        capacity = max(_FIRST_CAPACITY, 2 * len(self._stands))
        columns = self._columns
        self._columns = Events(
            np.resize(columns.profile_ids, capacity),
            np.resize(columns.video_ids, capacity),
            np.resize(columns.event_at, capacity),
            np.resize(columns.kinds, capacity),
            np.resize(columns.values, capacity),
        )
        self._stands = np.resize(self._stands, capacity)


def _first(events: Events, count: int) -> Events:
    return Events(
        events.profile_ids[:count],
        events.video_ids[:count],
        events.event_at[:count],
        events.kinds[:count],
        events.values[:count],
    )
