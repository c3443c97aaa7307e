"""The content space: genres and decade of a video as a vector.

One pure function serves the past and the present, the features and the ranking.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from core.arrays import Float32Array, Int32Array

YEARS_PER_ERA = 10


def genre_field(genre: str) -> str:
    """Return the field of a genre, e.g. "genre:Drama"."""
    return f"genre:{genre}"


def era_of(year: int | None) -> int | None:
    """Return the first year of a year's decade, e.g. 1990 for 1994."""
    return None if year is None else year - year % YEARS_PER_ERA


def era_field(year: int) -> str:
    """Return the field of a year's decade, e.g. "era:1990" for 1994."""
    return f"era:{era_of(year)}"


def content_fields(
    genres_per_video: Iterable[Sequence[str]], years: Iterable[int | None]
) -> tuple[str, ...]:
    """Return every field that the videos have, ascending."""
    fields = {genre_field(genre) for genres in genres_per_video for genre in genres}
    fields.update(era_field(year) for year in years if year is not None)
    return tuple(sorted(fields))


@dataclass(frozen=True, slots=True, eq=False)
class ContentEntries:
    """Hold content vectors sparsely: the fields of each video and their common value.

    Args:
        offsets: int32[videos + 1], where the fields of each video begin.
        fields: int32[entries], places in the field list, ascending within a video.
        values: float32[videos], value of each of a video's fields; 0 without any.
    """

    offsets: Int32Array
    fields: Int32Array
    values: Float32Array


def content_entries(
    fields: Sequence[str],
    genres_per_video: Sequence[Sequence[str]],
    years: Sequence[int | None],
) -> ContentEntries:
    """Return the content vectors sparsely; fields that are not listed are left out."""
    place = {name: index for index, name in enumerate(fields)}
    known: dict[tuple[tuple[str, ...], int | None], list[int]] = {}
    entries: list[int] = []
    offsets = np.zeros(len(genres_per_video) + 1, np.int32)
    for video, (genres, year) in enumerate(zip(genres_per_video, years, strict=True)):
        key = (tuple(genres), era_of(year))
        own = known.get(key)
        if own is None:
            names = {genre_field(genre) for genre in genres}
            if year is not None:
                names.add(era_field(year))
            own = known[key] = sorted(place[name] for name in names if name in place)
        entries.extend(own)
        offsets[video + 1] = len(entries)
    counts = np.diff(offsets).astype(np.float32)
    values = np.zeros(len(genres_per_video), np.float32)
    np.divide(np.float32(1), np.sqrt(counts), out=values, where=counts > 0)
    return ContentEntries(offsets, np.array(entries, np.int32), values)
