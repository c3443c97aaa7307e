"""Attributes known to the live system, as far as feature jobs need them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from services.page.inputs import COUNTRY, GENRES, YEAR
from services.shared_facts.attributes import read_genres, read_year
from timetravel.facts.model import EntityKind, Op
from worlds.features.content import VideoContent
from worlds.live.changed_entities import Touched

if TYPE_CHECKING:
    from core.arrays import Int64Array
    from timetravel.facts.model import AttributeFact, JsonValue
    from worlds.features.registry import FeatureSpaces

_KEPT: Final = {EntityKind.PROFILE: (COUNTRY,), EntityKind.VIDEO: (GENRES, YEAR)}


class KnownAttributes:
    """Keep attributes; facts must come in the order in which they become known.

    Args:
        spaces: Of the world.
    """

    def __init__(self, spaces: FeatureSpaces) -> None:
        self._spaces = spaces
        self._country_places = {name: place for place, name in enumerate(spaces.countries)}
        self._versions: dict[tuple[EntityKind, int, str], dict[int, AttributeFact]] = {}
        self._profile_ids: set[int] = set()
        self._touched_videos = Touched()
        self._genres: dict[int, tuple[str, ...]] = {}
        self._years: dict[int, int | None] = {}
        self._content: VideoContent | None = None

    def learn(self, fact: AttributeFact) -> None:
        """Take in a version of an attribute."""
        if fact.kind is EntityKind.PROFILE:
            self._profile_ids.add(fact.entity_id)
        else:
            self._touched_videos.add(fact.entity_id, fact.known_at, fact.valid_from)
        if fact.name in _KEPT[fact.kind]:
            key = (fact.kind, fact.entity_id, fact.name)
            self._versions.setdefault(key, {})[fact.valid_from] = fact

    def content(self, at: int) -> VideoContent:
        """Return the content of the catalogue listing."""
        touched = self._touched_videos.take(at)
        for video in touched:
            self._genres[video] = read_genres(self._value(EntityKind.VIDEO, video, GENRES, at))
            self._years[video] = read_year(self._value(EntityKind.VIDEO, video, YEAR, at))
        if touched or self._content is None:
            ids = sorted(self._genres)
            self._content = VideoContent.describe(
                self._spaces,
                np.array(ids, np.int64),
                [self._genres[video] for video in ids],
                [self._years[video] for video in ids],
            )
        return self._content

    def profile_ids(self) -> Int64Array:
        """Return every profile that has an attribute, ascending."""
        return np.array(sorted(self._profile_ids), np.int64)

    def countries(self, profile_ids: Int64Array, at: int) -> Int64Array:
        """Return the place of each profile's country, -1 where it is not known."""
        names = [
            self._value(EntityKind.PROFILE, profile, COUNTRY, at)
            for profile in profile_ids.tolist()
        ]
        places = [self._country_places.get(str(name), -1) for name in names]
        return np.array([*places, -1], np.int64)[: len(places)]

    def _value(self, kind: EntityKind, entity_id: int, name: str, at: int) -> JsonValue:
        versions = self._versions.get((kind, entity_id, name), {})
        standing = [
            valid_from
            for valid_from, fact in versions.items()
            if valid_from <= at and fact.op is not Op.RETRACT
        ]
        return versions[max(standing)].value if standing else None
