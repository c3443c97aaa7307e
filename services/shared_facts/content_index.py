"""Distinct contents of videos, so that what many videos share is computed once.

A video's content is its genres and its decade. Few contents occur among many videos, and few
videos change from one epoch to the next; so contents are numbered once and for all, and only
what is new is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from services.page.inputs import GENRES, YEAR
from services.shared_facts.attributes import read_genres, read_year
from services.shared_facts.content import ContentEntries, content_entries, era_of
from services.shared_facts.listing import find_positions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.arrays import BoolArray, Int32Array, Int64Array
    from timetravel.reading.reader import CatalogueRows

Content: TypeAlias = tuple[tuple[str, ...], int | None]
"""Genres, ascending, and the first year of the decade if it is known."""

UNKNOWN_YEAR: Final = -1
_NOTHING: Final[Content] = ((), None)


@dataclass(frozen=True, slots=True, eq=False)
class VideoContents:
    """Hold the content of each video of a listing.

    Args:
        numbers: int32[videos], numbers in the index.
        years: int64[videos]; -1 where not known.
    """

    numbers: Int32Array
    years: Int64Array


class ContentIndex:
    """Number contents as they turn up; number 0 is a video of which nothing is known.

    One thread at a time may ask for numbers.
    """

    def __init__(self) -> None:
        self._contents: list[Content] = [_NOTHING]
        self._numbers: dict[Content, int] = {_NOTHING: 0}
        self._rows: CatalogueRows | None = None
        self._known = VideoContents(np.zeros(0, np.int32), np.zeros(0, np.int64))

    def number(self, rows: CatalogueRows) -> VideoContents:
        """Return the content of each video."""
        videos = len(rows.video_ids)
        numbers = np.zeros(videos, np.int32)
        years = np.full(videos, UNKNOWN_YEAR, np.int64)
        before = self._rows
        if before is None:
            changed = list(range(videos))
        else:
            places = find_positions(before.video_ids, rows.video_ids)
            kept = places >= 0
            numbers[kept] = self._known.numbers[places[kept]]
            years[kept] = self._known.years[places[kept]]
            changed = _find_changed(before, rows, places)
        genre_column, year_column = rows.columns[GENRES], rows.columns[YEAR]
        for video in changed:
            year = read_year(year_column[video])
            content = (tuple(sorted(read_genres(genre_column[video]))), era_of(year))
            numbers[video] = self._number_of(content)
            years[video] = UNKNOWN_YEAR if year is None else year
        self._rows, self._known = rows, VideoContents(numbers, years)
        return self._known

    def contents(self) -> tuple[Content, ...]:
        """Return all contents so far, by number."""
        return tuple(self._contents)

    def _number_of(self, content: Content) -> int:
        number = self._numbers.setdefault(content, len(self._contents))
        if number == len(self._contents):
            self._contents.append(content)
        return number


def genre_names(contents: Sequence[Content]) -> tuple[str, ...]:
    """Return all genres of some contents, ascending."""
    return tuple(sorted({genre for genres, _ in contents for genre in genres}))


def entries_of(
    contents: Sequence[Content], fields: Sequence[str], *, with_eras: bool = True
) -> ContentEntries:
    """Return the content vectors of some contents in a feature space, with or without eras."""
    genres = [genres for genres, _ in contents]
    return content_entries(fields, genres, [era if with_eras else None for _, era in contents])


def holds_genre(contents: Sequence[Content], genre: str) -> BoolArray:
    """Return which contents have a genre: bool[contents]."""
    return np.array([genre in genres for genres, _ in contents], np.bool_)


def _find_changed(before: CatalogueRows, rows: CatalogueRows, places: Int32Array) -> list[int]:
    """Return the videos whose genres or year are not what they were."""
    same_listing = len(before.video_ids) == len(places) and bool((places >= 0).all())
    changed: set[int] = set(np.flatnonzero(places < 0).tolist())
    for name in (GENRES, YEAR):
        old, new = before.columns[name], rows.columns[name]
        if old is new and same_listing:
            continue
        if not same_listing:
            old = [old[place] if place >= 0 else None for place in places.tolist()]
        # Most values are the same object or equal, which this finds out fastest.
        changed.update(
            video
            for video, (was, now) in enumerate(zip(old, new, strict=True))
            if was is not now and was != now
        )
    return sorted(changed)
