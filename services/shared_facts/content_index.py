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
from services.shared_facts.listing_changes import Numbering, find_changes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.arrays import BoolArray, Int32Array, Int64Array
    from timetravel.reading.reader import CatalogueRows

Content: TypeAlias = tuple[tuple[str, ...], int | None]
"""Genres, ascending, and the first year of the decade if it is known."""

UNKNOWN_YEAR: Final = -1


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
        self._contents: Numbering[Content] = Numbering(((), None))
        self._rows: CatalogueRows | None = None
        self._known = VideoContents(np.zeros(0, np.int32), np.zeros(0, np.int64))

    def number(self, rows: CatalogueRows) -> VideoContents:
        """Return the content of each video."""
        changes = find_changes(self._rows, rows, (GENRES, YEAR))
        numbers = changes.carry_over(self._known.numbers)
        years = changes.carry_over(self._known.years)
        genre_column, year_column = rows.columns[GENRES], rows.columns[YEAR]
        for video in changes.changed:
            year = read_year(year_column[video])
            genres = tuple(sorted(read_genres(genre_column[video])))
            numbers[video] = self._contents.number((genres, era_of(year)))
            years[video] = UNKNOWN_YEAR if year is None else year
        self._rows, self._known = rows, VideoContents(numbers, years)
        return self._known

    def contents(self) -> tuple[Content, ...]:
        """Return all contents so far, by number."""
        return self._contents.values()


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
