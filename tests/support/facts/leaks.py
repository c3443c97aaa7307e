"""Leaks on purpose: a reader that lets one fact through before it was known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from services.page.inputs import (
    PROFILE_ATTRIBUTES,
    PROFILE_FEATURE_GROUPS,
    VIDEO_ATTRIBUTES,
    VIDEO_FEATURE_GROUPS,
)
from services.page.production import production_documents
from tests.oracle.in_memory import InMemoryFacts
from tests.oracle.in_memory_reader import InMemoryReader
from tests.oracle.resolution import Recorded, View
from tests.support.pages.page_worlds import COUNTRIES, DAY, END, START
from timetravel.facts.model import (
    AttributeFact,
    AvailabilityFact,
    DocumentFact,
    EntityKind,
    EventFact,
    EventKind,
    FactKind,
    FeatureFact,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tests.support.pages.page_worlds import PageWorld
    from timetravel.facts.model import Fact, JsonValue


@dataclass(frozen=True)
class LeakyView(View):
    """Counts one fact as known that was not; all others by the rule."""

    leaked: Fact | None = None

    def counts(self, version: Recorded[Any], at: int) -> bool:
        return version.fact is self.leaked or super().counts(version, at)


@dataclass(frozen=True)
class InjectedLeak:
    """A page's profile and moment, and a fact that was known only after it.

    name and about are what a report must hold, beside the two moments.
    """

    profile_id: int
    as_of: int
    fact: Fact
    kind: FactKind
    name: str
    about: str


class LeakyWorld:
    """A world into which leaks are injected, one at a time."""

    def __init__(self, world: PageWorld, chance: Random) -> None:
        self._chance = chance
        self._world = world
        self._videos = sorted(
            {
                fact.entity_id
                for fact in world.facts
                if isinstance(fact, AttributeFact) and fact.kind is EntityKind.VIDEO
            }
        )

    @property
    def kinds(self) -> tuple[Callable[[int, int, int], InjectedLeak], ...]:
        """One way to leak for each kind of read that a page makes."""
        return (
            self._profile_attribute,
            self._profile_features,
            self._event,
            self._video_attribute,
            self._video_features,
            self._licence,
            self._document,
        )

    def inject(self) -> InjectedLeak:
        """Return any leak."""
        as_of = self._chance.randrange(START + 8 * DAY, END)
        known_at = as_of + self._chance.choice((1, self._chance.randrange(1, 300 * DAY)))
        profile_id = self._chance.choice(self._world.profile_ids)
        return self._chance.choice(self.kinds)(profile_id, as_of, known_at)

    def reader(self, leak: InjectedLeak) -> InMemoryReader:
        """Return a reader that lets the leak through."""
        facts = InMemoryFacts()
        for group in self._world.groups:
            facts.register(group)
        facts.append([*self._world.facts, leak.fact])
        return InMemoryReader(facts, LeakyView(facts.newest_tx_id, None, leak.fact))

    def _profile_attribute(self, profile_id: int, as_of: int, known_at: int) -> InjectedLeak:
        name = self._chance.choice(PROFILE_ATTRIBUTES)
        values: dict[str, JsonValue] = {"blocked_genres": ["Drama"], "blocked_videos": [18]}
        value = self._chance.choice(COUNTRIES) if name == "country" else values.get(name, 18)
        kind = EntityKind.PROFILE
        fact = AttributeFact(kind, profile_id, name, self._before(as_of), known_at, value)
        about = f"profile {profile_id}"
        return InjectedLeak(profile_id, as_of, fact, FactKind.ATTRIBUTE, name, about)

    def _profile_features(self, profile_id: int, as_of: int, known_at: int) -> InjectedLeak:
        group = self._chance.choice(PROFILE_FEATURE_GROUPS)
        fact = self._features(group, profile_id, as_of, known_at)
        about = f"profile {profile_id}"
        return InjectedLeak(profile_id, as_of, fact, FactKind.FEATURES, group, about)

    def _event(self, profile_id: int, as_of: int, known_at: int) -> InjectedLeak:
        at = self._chance.randrange(START, as_of + 1)
        kind = self._chance.choice((EventKind.PLAY, EventKind.RATING, EventKind.LIST))
        video = self._chance.choice(self._videos)
        fact = EventFact("leaked", profile_id, at, kind, video, 1.0, known_at)
        about = f"profile {profile_id}"
        return InjectedLeak(profile_id, as_of, fact, FactKind.EVENT, "", about)

    def _video_attribute(self, profile_id: int, as_of: int, known_at: int) -> InjectedLeak:
        name, video = self._chance.choice(VIDEO_ATTRIBUTES), self._chance.choice(self._videos)
        values: dict[str, JsonValue] = {"genres": ["Drama"], "title": "Leaked"}
        values |= {"withdrawn": False, "requires": []}
        value = values.get(name, 7)
        kind = EntityKind.VIDEO
        fact = AttributeFact(kind, video, name, self._before(as_of), known_at, value)
        about = f"video {video}"
        return InjectedLeak(profile_id, as_of, fact, FactKind.ATTRIBUTE, name, about)

    def _video_features(self, profile_id: int, as_of: int, known_at: int) -> InjectedLeak:
        group = self._chance.choice(VIDEO_FEATURE_GROUPS)
        video = self._chance.choice(self._videos)
        fact = self._features(group, video, as_of, known_at)
        about = f"video {video}"
        return InjectedLeak(profile_id, as_of, fact, FactKind.FEATURES, group, about)

    def _licence(self, profile_id: int, as_of: int, known_at: int) -> InjectedLeak:
        video, country = self._chance.choice(self._videos), self._chance.choice(COUNTRIES)
        begin, end = self._before(as_of), as_of + 1 + self._chance.randrange(DAY)
        fact = AvailabilityFact("leaked", video, country, begin, end, known_at)
        kind, about = FactKind.AVAILABILITY, "the catalogue"
        return InjectedLeak(profile_id, as_of, fact, kind, "", about)

    def _document(self, profile_id: int, as_of: int, known_at: int) -> InjectedLeak:
        used = [own for own in production_documents() if own.name in ("homepage", "personal")]
        own = self._chance.choice(used)
        fact = DocumentFact(
            own.collection,
            own.name,
            self._before(as_of),
            known_at,
            own.schema_version,
            own.body,
        )
        about = f"{own.collection}/{own.name}"
        return InjectedLeak(profile_id, as_of, fact, FactKind.DOCUMENT, "", about)

    def _features(self, group: str, entity_id: int, as_of: int, known_at: int) -> FeatureFact:
        fields = next(own.fields for own in self._world.groups if own.name == group)
        values = np.array([self._chance.random() for _ in fields], np.float32)
        return FeatureFact(group, entity_id, self._before(as_of), known_at, values)

    def _before(self, as_of: int) -> int:
        # Later than any other fact that was true by then, so that it is the one that is seen.
        return as_of - self._chance.randrange(1_000)
