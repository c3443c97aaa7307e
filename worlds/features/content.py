"""The content of videos in the feature spaces of a world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.shared_facts.content import content_entries
from worlds.features.events import find_places
from worlds.features.sparse_content import SparseContent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.arrays import Int64Array
    from worlds.features.registry import FeatureSpaces


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
