"""The feature jobs: all groups of videos, and all groups of profiles, at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.page.inputs import (
    PROFILE_GENRE_AFFINITY,
    PROFILE_TASTE,
    VIDEO_POPULARITY,
    VIDEO_TRENDING,
)
from worlds.features.events import find_places
from worlds.features.profile import (
    Opinions,
    compute_activity,
    compute_genre_affinity,
    compute_taste,
)
from worlds.features.registry import PROFILE_ACTIVITY
from worlds.features.video import compute_popularity, compute_trending

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.arrays import Float32Array, Int64Array
    from worlds.features.content import VideoContent
    from worlds.features.events import Events
    from worlds.features.registry import FeatureSpaces


@dataclass(frozen=True, slots=True, eq=False)
class VideoJob:
    """Hold what features of videos are computed from.

    Args:
        events: Of all profiles.
        countries: int64[events], place of the profile's country; -1 where it is not known.
        video_ids: int64[videos], ascending.
    """

    events: Events
    countries: Int64Array
    video_ids: Int64Array

    def compute(self, spaces: FeatureSpaces, at: int) -> Mapping[str, Float32Array]:
        """Return one float32[videos, fields] for each group."""
        places = find_places(self.video_ids, self.events.video_ids)
        done = (self.events.event_at <= at) & (places >= 0)
        events, places, countries = self.events.where(done), places[done], self.countries[done]
        shape = (len(self.video_ids), len(spaces.countries))
        return {
            VIDEO_POPULARITY: compute_popularity(events, places, shape[0], at),
            VIDEO_TRENDING: compute_trending(events, places, countries, shape, at),
        }


@dataclass(frozen=True, slots=True, eq=False)
class ProfileJob:
    """Hold what features of profiles are computed from.

    Args:
        events: Of these profiles.
        profile_ids: int64[profiles], ascending.
        content: Of the videos.
    """

    events: Events
    profile_ids: Int64Array
    content: VideoContent

    def compute(self, spaces: FeatureSpaces, at: int) -> Mapping[str, Float32Array]:
        """Return one float32[profiles, fields] for each group."""
        opinions = Opinions.collect(self.events, self.profile_ids, at)
        videos = self.content.find(opinions.events.video_ids)
        return {
            PROFILE_ACTIVITY: compute_activity(opinions),
            PROFILE_GENRE_AFFINITY: compute_genre_affinity(
                opinions, self.content.genres, videos, len(spaces.genre_fields)
            ),
            PROFILE_TASTE: compute_taste(
                opinions, self.content.taste, videos, len(spaces.taste_fields)
            ),
        }
