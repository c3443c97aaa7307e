"""The feature groups of a world, and the spaces that their vectors lie in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from services.page.inputs import (
    PROFILE_GENRE_AFFINITY,
    PROFILE_TASTE,
    VIDEO_POPULARITY,
    VIDEO_TRENDING,
)
from services.shared_facts.content import era_field, genre_field
from timetravel.facts.model import EntityKind, FeatureGroup
from worlds.features.profile import ACTIVITY_FIELDS
from worlds.features.video import POPULARITY_FIELDS

if TYPE_CHECKING:
    from worlds.manifest import Manifest

PROFILE_ACTIVITY: Final = "profile_activity"
SCHEMA_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class FeatureSpaces:
    """Name the dimensions of the vectors.

    Args:
        countries: Ascending.
        genre_fields: "genre:<Name>", ascending.
        taste_fields: "era:<decade>" and "genre:<Name>", ascending.
    """

    countries: tuple[str, ...]
    genre_fields: tuple[str, ...]
    taste_fields: tuple[str, ...]

    @classmethod
    def of(cls, manifest: Manifest) -> FeatureSpaces:
        """Return the spaces of a world."""
        genres = sorted(genre_field(genre) for genre in manifest.genres)
        eras = sorted(era_field(era) for era in manifest.eras)
        return cls(manifest.countries, tuple(genres), tuple(sorted([*eras, *genres])))

    def video_groups(self) -> tuple[FeatureGroup, ...]:
        """Return the groups about videos."""
        kind = EntityKind.VIDEO
        return (
            FeatureGroup(VIDEO_POPULARITY, kind, SCHEMA_VERSION, POPULARITY_FIELDS),
            FeatureGroup(VIDEO_TRENDING, kind, SCHEMA_VERSION, self.countries),
        )

    def profile_groups(self) -> tuple[FeatureGroup, ...]:
        """Return the groups about profiles."""
        kind = EntityKind.PROFILE
        return (
            FeatureGroup(PROFILE_ACTIVITY, kind, SCHEMA_VERSION, ACTIVITY_FIELDS),
            FeatureGroup(PROFILE_GENRE_AFFINITY, kind, SCHEMA_VERSION, self.genre_fields),
            FeatureGroup(PROFILE_TASTE, kind, SCHEMA_VERSION, self.taste_fields),
        )
