"""Small worlds to make pages in: seeded, complete, and with time passing in them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING, Final

import numpy as np

from services.page.inputs import (
    PROFILE_GENRE_AFFINITY,
    PROFILE_TASTE,
    VIDEO_POPULARITY,
    VIDEO_TRENDING,
)
from services.page.production import production_documents
from services.shared_facts.content import content_fields
from tests.oracle.in_memory import InMemoryFacts
from tests.support.pages.content_vectors import content_vectors
from timetravel.facts.external_ids import ExternalIds
from timetravel.facts.model import (
    AttributeFact,
    AvailabilityFact,
    DocumentFact,
    EntityKind,
    EventFact,
    EventKind,
    FeatureFact,
    FeatureGroup,
)
from timetravel.reading.forwarding import ForwardingReader

DAY: Final = 86_400_000_000

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.oracle.in_memory_reader import InMemoryReader
    from timetravel.facts.model import Fact, JsonValue
    from timetravel.reading.reader import (
        AvailabilityBitmaps,
        CatalogueFeatures,
        CatalogueRows,
        DocumentVersion,
    )

START: Final = 17_000 * DAY
END: Final = START + 30 * DAY
"""Everything in a small world happens between these moments."""

GENRES: Final = ("Action", "Comedy", "Crime", "Drama", "Horror", "Romance")
COUNTRIES: Final = ("FR", "US")
DEVICES: Final = ("phone", "tv", "web")


@dataclass(frozen=True, slots=True)
class PageWorld:
    """Hold the facts of a world."""

    groups: tuple[FeatureGroup, ...]
    facts: tuple[Fact, ...]
    external_ids: ExternalIds = field(default_factory=ExternalIds)

    @property
    def events(self) -> list[EventFact]:
        """Return the history events."""
        return [fact for fact in self.facts if isinstance(fact, EventFact)]

    @property
    def licences(self) -> list[AvailabilityFact]:
        """Return the licence windows."""
        return [fact for fact in self.facts if isinstance(fact, AvailabilityFact)]

    @property
    def profile_ids(self) -> list[int]:
        """Return the profiles, ascending."""
        profiles = {
            fact.entity_id
            for fact in self.facts
            if isinstance(fact, AttributeFact) and fact.kind is EntityKind.PROFILE
        }
        return sorted(profiles)

    def extended(self, facts: Iterable[Fact]) -> PageWorld:
        """Return a world with more facts."""
        return replace(self, facts=(*self.facts, *facts))

    def named_by_texts(self) -> PageWorld:
        """Return the world with texts for its ids: `member 1000`, `film 1`."""
        ids = ExternalIds()
        kinds = {group.name: group.entity_kind for group in self.groups}
        named = {EntityKind.PROFILE: "member", EntityKind.VIDEO: "film"}

        def number(kind: EntityKind, entity_id: int) -> int:
            return ids.note(kind, f"{named[kind]} {entity_id}", field="entity_id")

        def name(fact: Fact) -> Fact:
            match fact:
                case FeatureFact():
                    return replace(fact, entity_id=number(kinds[fact.group], fact.entity_id))
                case AttributeFact():
                    return replace(fact, entity_id=number(fact.kind, fact.entity_id))
                case AvailabilityFact():
                    return replace(fact, video_id=number(EntityKind.VIDEO, fact.video_id))
                case EventFact():
                    profile_id = number(EntityKind.PROFILE, fact.profile_id)
                    video_id = number(EntityKind.VIDEO, fact.video_id)
                    return replace(fact, profile_id=profile_id, video_id=video_id)
                case _:
                    return fact

        return replace(self, facts=tuple(map(name, self.facts)), external_ids=ids)

    def reader(self) -> InMemoryReader:
        """Return a reader of the world as of each row's own moment."""
        known = InMemoryFacts()
        for group in self.groups:
            known.register(group)
        known.append(self.facts)
        return known.as_of()


class PromisingNothing(ForwardingReader):
    """Reads from another reader, and promises nothing beyond the moment asked for."""

    def catalogue(self, at: int, names: Sequence[str]) -> CatalogueRows:
        return replace(self._reader.catalogue(at, names), unchanged_until=at)

    def catalogue_features(self, group: str, at: int) -> CatalogueFeatures:
        return replace(self._reader.catalogue_features(group, at), unchanged_until=at)

    def availability(self, at: int) -> AvailabilityBitmaps:
        return replace(self._reader.availability(at), unchanged_until=at)

    def document(self, collection: str, name: str, at: int) -> DocumentVersion:
        return replace(self._reader.document(collection, name, at), unchanged_until=at)


def make_world(seed: int, *, videos: int = 60, profiles: int = 6) -> PageWorld:
    """Return a world of some videos and profiles; ids are spread out, so never positions."""
    random = Random(seed)  # noqa: S311 - a test world, not a secret
    video_ids = [1 + 7 * number for number in range(videos)]
    profile_ids = [1000 + number for number in range(profiles)]
    genres = {
        video: tuple(sorted(random.sample(GENRES, random.randint(1, 3)))) for video in video_ids
    }
    years = {video: random.choice((None, *range(1975, 2016))) for video in video_ids}
    fields = content_fields(genres.values(), years.values())
    attributes: list[AttributeFact] = []
    licences: list[AvailabilityFact] = []
    for video in video_ids:
        added = START if random.random() < 0.8 else START + random.randrange(20 * DAY)
        values: dict[str, JsonValue] = {
            "title": f"Title {video}",
            "year": years[video],
            "genres": list(genres[video]),
            "maturity": random.choice((0, 7, 13, 16, 18)),
            "added_at": added,
        }
        known = added + random.randrange(2 * DAY)
        attributes += [
            AttributeFact(EntityKind.VIDEO, video, name, added, known, value)
            for name, value in values.items()
        ]
        for country in COUNTRIES:
            if random.random() < 0.85:
                begin = START - DAY + random.randrange(4) * random.randrange(2 * DAY)
                end = (
                    END + DAY
                    if random.random() < 0.7
                    else begin + random.randrange(1, 25) * DAY
                )
                window = f"{video}-{country}"
                licences.append(AvailabilityFact(window, video, country, begin, end, begin))
    for profile in profile_ids:
        known_of: dict[str, JsonValue] = {
            "country": random.choice(COUNTRIES),
            "maturity_limit": random.choice((13, 16, 18)),
        }
        attributes += [
            AttributeFact(EntityKind.PROFILE, profile, name, START, START, value)
            for name, value in known_of.items()
        ]
    groups = (
        FeatureGroup(
            VIDEO_POPULARITY,
            EntityKind.VIDEO,
            1,
            ("events_7d", "events_28d", "events_365d", "events_all", "mean_rating"),
        ),
        FeatureGroup(VIDEO_TRENDING, EntityKind.VIDEO, 1, COUNTRIES),
        FeatureGroup(
            PROFILE_GENRE_AFFINITY,
            EntityKind.PROFILE,
            1,
            tuple(f"genre:{genre}" for genre in GENRES),
        ),
        FeatureGroup(PROFILE_TASTE, EntityKind.PROFILE, 1, fields),
    )
    features: list[FeatureFact] = []
    for week in range(4):
        known = START + week * 7 * DAY + random.randrange(DAY)
        for video in video_ids:
            counts = sorted(random.randrange(40) for _ in range(4))
            popularity = np.array([*counts, random.uniform(2, 5)], np.float32)
            trending = np.array([random.randrange(6) for _ in COUNTRIES], np.float32)
            valid_from = START + week * 7 * DAY
            features.append(FeatureFact(VIDEO_POPULARITY, video, valid_from, known, popularity))
            features.append(FeatureFact(VIDEO_TRENDING, video, valid_from, known, trending))
    vectors = content_vectors(
        fields,
        [genres[video] for video in video_ids],
        [years[video] for video in video_ids],
    )
    events: list[EventFact] = []
    for profile in profile_ids[1:]:  # the first profile has no history
        for week in range(1, 4):
            moment = START + week * 7 * DAY + random.randrange(DAY)
            taste = vectors[random.randrange(videos)]
            affinity = np.array([random.random() for _ in GENRES], np.float32)
            features.append(FeatureFact(PROFILE_TASTE, profile, moment, moment + DAY, taste))
            features.append(
                FeatureFact(PROFILE_GENRE_AFFINITY, profile, moment, moment + DAY, affinity)
            )
        for number in range(random.randrange(5, 25)):
            kind = random.choice(
                (
                    EventKind.PLAY,
                    EventKind.PLAY,
                    EventKind.RATING,
                    EventKind.LIST,
                    EventKind.THUMB,
                )
            )
            value = {
                EventKind.PLAY: random.choice((0.2, 0.5, 0.95, 1.0)),
                EventKind.RATING: random.choice((1.0, 3.0, 4.0, 5.0)),
                EventKind.LIST: random.choice((0.0, 1.0, 1.0)),
                EventKind.THUMB: random.choice((-1.0, 1.0)),
            }[kind]
            at = START + random.randrange(25 * DAY)
            events.append(
                EventFact(
                    f"{profile}-{number:03}",
                    profile,
                    at,
                    kind,
                    random.choice(video_ids),
                    value,
                    at + random.randrange(DAY),
                )
            )
    documents = tuple(
        DocumentFact(own.collection, own.name, START, START, own.schema_version, own.body)
        for own in production_documents()
    )
    facts: tuple[Fact, ...] = (*attributes, *licences, *features, *events, *documents)
    return PageWorld(groups, facts)
