"""The content of videos in the feature spaces of a world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from services.page.content import content_entries
from services.page.model import expand_ranges
from worlds.features.events import find_places
from worlds.features.fixed_point import to_fixed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.arrays import Int64Array
    from services.page.content import ContentEntries
    from worlds.features.registry import FeatureSpaces


@dataclass(frozen=True, slots=True, eq=False)
class SparseContent:
    """Hold which fields videos have, and the common value of a video's fields.

    Args:
        offsets: int64[videos + 1], where the fields of each video begin.
        fields: int64[entries], places in the field list.
        values: int64[videos] in fixed point.
    """

    offsets: Int64Array
    fields: Int64Array
    values: Int64Array

    @classmethod
    def of(cls, entries: ContentEntries) -> SparseContent:
        """Return the entries with integers wide enough to compute with."""
        return cls(
            entries.offsets.astype(np.int64),
            entries.fields.astype(np.int64),
            to_fixed(entries.values),
        )

    def spread(self, places: Int64Array) -> tuple[Int64Array, Int64Array]:
        """Return each field of each place's video, and which of the places it belongs to."""
        first = self.offsets[places]
        counts = self.offsets[places + 1] - first
        return (
            self.fields[expand_ranges(first, counts)],
            np.repeat(np.arange(len(places)), counts),
        )


@dataclass(frozen=True, slots=True, eq=False)
class VideoContent:
    """Hold the content of all known videos.

    Args:
        video_ids: int64[videos], ascending.
        genres: In the space of genre affinity.
        taste: In the space of taste.
    """

    video_ids: Int64Array
    genres: SparseContent
    taste: SparseContent

    @classmethod
    def describe(
        cls,
        spaces: FeatureSpaces,
        video_ids: Int64Array,
        genres: Sequence[Sequence[str]],
        years: Sequence[int | None],
    ) -> VideoContent:
        """Return the content of videos with the given genres and years."""
        nothing = [None] * len(genres)
        return cls(
            video_ids,
            SparseContent.of(content_entries(spaces.genre_fields, genres, nothing)),
            SparseContent.of(content_entries(spaces.taste_fields, genres, years)),
        )

    def find(self, video_ids: Int64Array) -> Int64Array:
        """Return the place of each video, -1 where it is not known."""
        return find_places(self.video_ids, video_ids)
