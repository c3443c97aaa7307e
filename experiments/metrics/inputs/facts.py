"""What was known of members and videos at the moments of pages.

Facts of videos are read once per epoch, the span over which none of them changes. Videos that
were not in the catalogue listing have no facts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import numpy as np

from core.bits import pack_words
from core.kernel import kernel_array
from experiments.metrics.definitions.columns import NO_LIMIT, NOT_ADDED, UNRATED, Facts
from services.page.inputs import (
    ADDED_AT,
    GENRES,
    MATURITY,
    MATURITY_LIMIT,
    VIDEO_POPULARITY,
    YEAR,
)
from services.page.ranges import starts
from services.shared_facts.attributes import read_maturity, read_maturity_limits
from services.shared_facts.content_index import ContentIndex, genre_names
from services.shared_facts.epochs import FOREVER_MICROS, Epoch, EpochCache, group_by_epoch
from services.shared_facts.listing import find_positions
from timetravel.facts.model import EntityKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from core.arrays import BoolArray, Float64Array, Int32Array, Int64Array, UInt64Array
    from timetravel.facts.model import JsonValue
    from timetravel.reading.reader import FactReader

PLAYS_FIELD: Final = "events_365d"
_CAPACITY: Final = 16
_NO_GENRES: Final = 0
_UNLICENSED: Final = False

Scalar = TypeVar("Scalar", bound=np.generic)
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, eq=False)
class _Catalogue:
    """Hold the listing of an epoch, and one value of each kind per listed video."""

    video_ids: Int64Array
    contents: Int32Array
    added_at: Int64Array
    maturity: Int64Array


@dataclass(frozen=True, slots=True, eq=False)
class _Plays:
    video_ids: Int64Array
    log_plays: Float64Array


@dataclass(frozen=True, slots=True, eq=False)
class _Licences:
    video_ids: Int64Array
    countries: tuple[str, ...]
    available: BoolArray

    def in_country(self, country: str | None) -> BoolArray:
        """Return which listed videos are licensed in a country; None is nowhere."""
        if country not in self.countries:
            return np.zeros(len(self.video_ids), np.bool_)
        licensed: BoolArray = self.available[self.countries.index(country)]
        return licensed


@dataclass(frozen=True, slots=True, eq=False)
class _Epochs(Generic[Value]):
    """Hold the epochs that some moments fall into: places int32[moments] into values."""

    values: list[Value]
    places: Int32Array

    @classmethod
    def of(cls, moments: Int64Array, at: Callable[[int], Epoch[Value]]) -> _Epochs[Value]:
        values: list[Value] = []
        places = np.zeros(len(moments), np.int32)
        for value, found in group_by_epoch(moments, at):
            places[found] = len(values)
            values.append(value)
        return cls(values, places)


class PageFacts:
    """Read what was known at the moments of pages, and keep the epochs read last.

    Args:
        reader: As-of reader; its snapshot is pinned.
    """

    def __init__(self, reader: FactReader) -> None:
        self._reader = reader
        self._catalogues = EpochCache(self._load_catalogue, capacity=_CAPACITY)
        self._plays = EpochCache(self._load_plays, capacity=_CAPACITY)
        self._licences = EpochCache(self._load_licences, capacity=_CAPACITY)
        self._contents = ContentIndex()

    def read(
        self,
        profile_ids: Int64Array,
        as_of: Int64Array,
        countries: Sequence[str | None],
        video_ids: Int64Array,
    ) -> Facts:
        """Return what was known of pages' members, and of videos.

        Args:
            profile_ids: int64[pages].
            as_of: int64[pages], in microseconds.
            countries: One per page; nothing is licensed where there is none.
            video_ids: int64[videos], distinct.
        """
        catalogues = _Epochs.of(as_of, self._catalogues.at)
        plays = _Epochs.of(as_of, self._plays.at)
        licences_of, is_licensed = self._read_licences(as_of, countries, video_ids)
        listed = [find_positions(one.video_ids, video_ids) for one in catalogues.values]
        known = self._contents.contents()
        codes = {name: code for code, name in enumerate(genre_names(known))}
        genre_starts = starts(np.array([len(genres) for genres, _ in known]))
        genres = np.array([codes[name] for genres, _ in known for name in genres], np.int32)
        return Facts(
            as_of=kernel_array(as_of, np.int64),
            maturity_limits=self._read_limits(profile_ids, as_of),
            catalogue_of=catalogues.places,
            contents=_stack([one.contents for one in catalogues.values], listed, _NO_GENRES),
            genre_starts=genre_starts,
            genres=genres,
            genre_masks=mask_genres(genre_starts, genres, len(codes)),
            genre_count=len(codes),
            added_at=_stack([one.added_at for one in catalogues.values], listed, NOT_ADDED),
            maturity=_stack([one.maturity for one in catalogues.values], listed, UNRATED),
            plays_of=plays.places,
            log_plays=_stack(
                [one.log_plays for one in plays.values],
                [find_positions(one.video_ids, video_ids) for one in plays.values],
                0,
            ),
            licences_of=licences_of,
            is_licensed=is_licensed,
        )

    def _read_limits(self, profile_ids: Int64Array, as_of: Int64Array) -> Int64Array:
        found = self._reader.attributes(
            EntityKind.PROFILE, profile_ids, as_of, (MATURITY_LIMIT,)
        )
        limits = read_maturity_limits(found.columns[MATURITY_LIMIT])
        return np.array([NO_LIMIT if limit is None else limit for limit in limits], np.int64)

    def _read_licences(
        self, as_of: Int64Array, countries: Sequence[str | None], video_ids: Int64Array
    ) -> tuple[Int32Array, BoolArray]:
        """Return the place of each page's licences, and the licences."""
        epochs = _Epochs.of(as_of, self._licences.at)
        listed = [find_positions(one.video_ids, video_ids) for one in epochs.values]
        known: dict[tuple[int, str | None], int] = {}
        places = [
            known.setdefault(key, len(known))
            for key in zip(epochs.places.tolist(), countries, strict=True)
        ]
        licensed = [epochs.values[epoch].in_country(country) for epoch, country in known]
        positions = [listed[epoch] for epoch, _ in known]
        return np.array(places, np.int32), _stack(licensed, positions, _UNLICENSED)

    def _load_catalogue(self, at: int) -> Epoch[_Catalogue]:
        rows = self._reader.catalogue(at, (ADDED_AT, GENRES, MATURITY, YEAR))
        columns = rows.columns
        ages = (read_maturity(value) for value in columns[MATURITY])
        catalogue = _Catalogue(
            rows.video_ids,
            self._contents.number(rows).numbers,
            np.array([_read_moment(value) for value in columns[ADDED_AT]], np.int64),
            np.array([UNRATED if age is None else age for age in ages], np.int64),
        )
        return _epoch(at, rows.unchanged_until, catalogue)

    def _load_plays(self, at: int) -> Epoch[_Plays]:
        group = self._reader.feature_groups().get(VIDEO_POPULARITY)
        if group is None or PLAYS_FIELD not in group.fields:
            return Epoch(at, FOREVER_MICROS, _Plays(np.zeros(0, np.int64), np.zeros(0)))
        rows = self._reader.catalogue(at, ())
        features = self._reader.catalogue_features(VIDEO_POPULARITY, at)
        plays = features.values[:, group.fields.index(PLAYS_FIELD)].astype(np.float64)
        log_plays = np.log2(1.0 + np.nan_to_num(plays, nan=0.0))
        return _epoch(at, features.unchanged_until, _Plays(rows.video_ids, log_plays))

    def _load_licences(self, at: int) -> Epoch[_Licences]:
        bitmaps, rows = self._reader.availability(at), self._reader.catalogue(at, ())
        licences = _Licences(rows.video_ids, bitmaps.countries, bitmaps.available)
        return _epoch(at, bitmaps.unchanged_until, licences)


def _epoch(at: int, unchanged_until: int | None, value: Value) -> Epoch[Value]:
    return Epoch(at, FOREVER_MICROS if unchanged_until is None else unchanged_until, value)


def _read_moment(value: JsonValue) -> int:
    return value if isinstance(value, int) else NOT_ADDED


def mask_genres(genre_starts: Int64Array, genres: Int32Array, count: int) -> UInt64Array:
    """Return genres of contents as bits; see `Facts.genre_masks`.

    Args:
        genre_starts: int64[contents + 1] into genres.
        genres: int32[entries], codes.
        count: Genres that there are.
    """
    contents = len(genre_starts) - 1
    has_genre = np.zeros((contents, max(count, 1)), np.bool_)
    has_genre[np.repeat(np.arange(contents), np.diff(genre_starts)), genres] = True
    return pack_words(has_genre)


def _stack(
    values: Sequence[npt.NDArray[Scalar]], positions: Sequence[Int32Array], missing: float
) -> npt.NDArray[Scalar]:
    """Return the values of videos by their positions in the listing; `missing` without one."""
    dtype = values[0].dtype.type
    columns = [
        np.append(own, dtype(missing))[found]
        for own, found in zip(values, positions, strict=True)
    ]
    return kernel_array(np.stack(columns), dtype)
