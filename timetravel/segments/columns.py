"""The arrays of a segment, by kind of fact: sorted and immutable."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from timetravel.facts.model import EventKind, Op
from timetravel.segments.search import NOTHING, find_events, find_places, find_visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from core.arrays import Float32Array, Int8Array, Int32Array, Int64Array, UInt8Array


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

    keys: Int64Array
    offsets: Int64Array
    valid_from: Int64Array
    known_at: Int64Array
    ops: Int8Array

    def find(self, wanted: Int64Array, at: Int64Array, known_by: Int64Array) -> Int64Array:
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
    values: Float32Array

    def gather(self, found: Int64Array) -> Float32Array:
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
    codes: Int32Array
    text_bytes: UInt8Array
    text_offsets: Int64Array

    @cached_property
    def distinct(self) -> NDArray[np.object_]:
        """Every text, and None at the end, where place NOTHING finds it."""
        joined = self.text_bytes.tobytes()
        offsets = self.text_offsets.tolist()
        texts = np.empty(len(offsets), np.object_)
        for place in range(len(offsets) - 1):
            texts[place] = joined[offsets[place] : offsets[place + 1]].decode()
        return texts

    def gather(self, found: Int64Array) -> Sequence[str | None]:
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

    keys: Int64Array
    offsets: Int64Array
    event_at: Int64Array
    known_at: Int64Array
    superseded_at: Int64Array
    ops: Int8Array
    kinds: Int8Array
    video_ids: Int64Array
    values: Float32Array

    def find(
        self,
        profile_ids: Int64Array,
        at: Int64Array,
        known_by: Int64Array,
        kinds: Sequence[EventKind],
        max_events: int,
    ) -> tuple[Int64Array, Int64Array]:
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

    video_ids: Int64Array
    countries: Int32Array
    valid_from: Int64Array
    valid_to: Int64Array
    known_at: Int64Array
    superseded_at: Int64Array
    ops: Int8Array
    country_names: tuple[str, ...]

    def find(self, at: int, known_by: int) -> Int64Array:
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
    """When answers about one subject may change, by instant; see `timetravel.queries.changes`.

    Attributes:
        instants: int64[changes], ascending.
        valid_edges: int64[changes].
        known_at: int64[changes].
    """

    instants: Int64Array
    valid_edges: Int64Array
    known_at: Int64Array

    def next_after(self, at: int, known_by: int | None) -> int | None:
        """Return the first change after a moment, None if there is none."""
        if known_by is None:
            place = int(np.searchsorted(self.instants, at, side="right"))
            return int(self.instants[place]) if place < len(self.instants) else None
        edges = self.valid_edges[(self.valid_edges > at) & (self.known_at <= known_by)]
        return int(edges.min()) if len(edges) else None


def _codes_at(codes: Int32Array, found: Int64Array) -> Int32Array:
    if not len(codes):
        return np.full(len(found), NOTHING, np.int32)
    return np.where(found < 0, np.int32(NOTHING), codes[np.where(found < 0, 0, found)])
