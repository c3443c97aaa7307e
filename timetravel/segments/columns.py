"""The arrays of a segment, by kind of fact. All are sorted, none is ever written again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from timetravel.model import EventKind, Op
from timetravel.segments.search import NOTHING, find_events, find_places, find_visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from timetravel.segments.search import Integers, SmallIntegers

NEVER: Final = np.iinfo(np.int64).max
"""superseded_at of a version that no later one corrects."""
_ALL_EVENTS: Final = 2**62


@dataclass(frozen=True, eq=False)
class Versions:
    """Versions of many keys, by key, valid_from, known_at and tx_id.

    Attributes:
        keys: int64[keys], ascending.
        offsets: int64[keys + 1]; key i owns versions offsets[i] to offsets[i + 1].
        valid_from: int64[versions], microseconds.
        known_at: int64[versions], microseconds.
        ops: int8[versions], numbers of `Op`.
    """

    keys: Integers
    offsets: Integers
    valid_from: Integers
    known_at: Integers
    ops: SmallIntegers

    def find(self, wanted: Integers, at: Integers, known_by: Integers) -> Integers:
        """Return the place of the version visible to each row, NOTHING where none is."""
        found = np.empty(len(wanted), np.int64)
        places = find_places(self.keys, wanted)
        find_visible(
            *(self.offsets, self.valid_from, self.known_at, self.ops),
            *(places, at, known_by, found),
        )
        return found


@dataclass(frozen=True, eq=False)
class Vectors:
    """Versions of one feature group: values float32[versions, fields], NaN where absent."""

    versions: Versions
    values: NDArray[np.float32]

    def gather(self, found: Integers) -> NDArray[np.float32]:
        """Return the vectors at found places, NaN where nothing is visible."""
        if not len(self.values):
            return np.full((len(found), self.values.shape[1]), np.nan, np.float32)
        missing = found < 0
        values = self.values[np.where(missing, 0, found)]
        values[missing] = np.nan
        return values


@dataclass(frozen=True, eq=False)
class Texts:
    """Versions whose values are texts, each distinct text kept once.

    Attributes:
        versions: int64[versions] and so on.
        codes: int32[versions], place of each value's text; NOTHING where there is no value.
        text_bytes: uint8[], all texts in UTF-8, one after the other.
        text_offsets: int64[texts + 1].
    """

    versions: Versions
    codes: NDArray[np.int32]
    text_bytes: NDArray[np.uint8]
    text_offsets: Integers

    @cached_property
    def distinct(self) -> NDArray[np.object_]:
        """Every text, and None at the end, where place NOTHING finds it."""
        joined = self.text_bytes.tobytes()
        offsets = self.text_offsets.tolist()
        texts = np.empty(len(offsets), np.object_)
        for place in range(len(offsets) - 1):
            texts[place] = joined[offsets[place] : offsets[place + 1]].decode()
        return texts

    def gather(self, found: Integers) -> Sequence[str | None]:
        """Return the texts at found places, None where nothing is visible or has a value."""
        texts: list[str | None] = self.distinct[_codes_at(self.codes, found)].tolist()
        return texts


@dataclass(frozen=True, eq=False)
class Events:
    """Versions of history events, by profile, event_at, event id, known_at and tx_id.

    Attributes:
        keys: int64[profiles], ascending.
        offsets: int64[profiles + 1].
        event_at: int64[versions].
        known_at: int64[versions].
        superseded_at: int64[versions]: known_at of the next version of the same event, NEVER
            if it has none.
        ops: int8[versions], numbers of `Op`.
        kinds: int8[versions], numbers of `EventKind`.
        video_ids: int64[versions].
        values: float32[versions], NaN where the event has none.
    """

    keys: Integers
    offsets: Integers
    event_at: Integers
    known_at: Integers
    superseded_at: Integers
    ops: SmallIntegers
    kinds: SmallIntegers
    video_ids: Integers
    values: NDArray[np.float32]

    def find(
        self,
        profile_ids: Integers,
        at: Integers,
        known_by: Integers,
        kinds: Sequence[EventKind],
        max_events: int,
    ) -> tuple[Integers, Integers]:
        """Return the places of the events of all rows, newest first, and their counts."""
        counts = np.empty(len(profile_ids), np.int64)
        searched = (
            *(self.offsets, self.event_at, self.known_at, self.superseded_at),
            *(self.ops, self.kinds, find_places(self.keys, profile_ids), at, known_by),
            np.int64(sum(1 << kind for kind in set(kinds or EventKind))),
            np.int64(max_events or _ALL_EVENTS),
        )
        find_events(*searched, np.empty(0, np.int64), counts)
        found = np.empty(int(counts.sum()), np.int64)
        find_events(*searched, found, counts)
        return found, counts


@dataclass(frozen=True, eq=False)
class Licences:
    """Versions of licence windows.

    Attributes:
        video_ids: int64[versions].
        countries: int32[versions], place among the country names.
        valid_from: int64[versions].
        valid_to: int64[versions], exclusive.
        known_at: int64[versions].
        superseded_at: int64[versions], as of `Events`.
        ops: int8[versions], numbers of `Op`.
        country_names: Ascending.
    """

    video_ids: Integers
    countries: NDArray[np.int32]
    valid_from: Integers
    valid_to: Integers
    known_at: Integers
    superseded_at: Integers
    ops: SmallIntegers
    country_names: tuple[str, ...]

    def find(self, at: int, known_by: int) -> Integers:
        """Return the places of the licences in force."""
        in_force = (
            (self.valid_from <= at)
            & (at < self.valid_to)
            & (self.known_at <= known_by)
            & (known_by < self.superseded_at)
            & (self.ops == Op.ASSERT.value)
        )
        return np.flatnonzero(in_force)


@dataclass(frozen=True, eq=False)
class Changes:
    """When answers about one subject may change, by instant; see `timetravel.changes`.

    Attributes:
        instants: int64[changes], ascending.
        valid_edges: int64[changes].
        known_at: int64[changes].
    """

    instants: Integers
    valid_edges: Integers
    known_at: Integers

    def next_after(self, at: int, known_by: int | None) -> int | None:
        """Return the first change after a moment, None if there is none."""
        if known_by is None:
            place = int(np.searchsorted(self.instants, at, side="right"))
            return int(self.instants[place]) if place < len(self.instants) else None
        edges = self.valid_edges[(self.valid_edges > at) & (self.known_at <= known_by)]
        return int(edges.min()) if len(edges) else None


def _codes_at(codes: NDArray[np.int32], found: Integers) -> NDArray[np.int32]:
    if not len(codes):
        return np.full(len(found), NOTHING, np.int32)
    return np.where(found < 0, np.int32(NOTHING), codes[np.where(found < 0, 0, found)])
