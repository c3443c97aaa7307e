"""Facts as dirty as they come: late, back-dated, repeated, corrected, absent and retracted.

The world is small and time is short, so that facts collide. Moments lie between START and
START + SPAN microseconds.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from hypothesis import strategies as st

from timetravel.facts.model import (
    AllocationFact,
    AttributeFact,
    Attribution,
    AvailabilityFact,
    DocumentFact,
    EntityKind,
    EventFact,
    EventKind,
    FeatureFact,
    FeatureGroup,
    LoggedFeatures,
    LoggedPageFact,
    Op,
)

if TYPE_CHECKING:
    from timetravel.facts.model import Fact

START: Final = 1_000_000
SPAN: Final = 12

PROFILES: Final = (1, 2, 300)
VIDEOS: Final = (1, 2, 70_000, 2**40)
NAMES: Final = ("title", "year")
TESTS: Final = ("artwork", "ranker")
DOCUMENTS: Final = ("homepage", "personal")
COUNTRIES: Final = ("DE", "NZ", "US")
TASTE: Final = FeatureGroup("profile_taste", EntityKind.PROFILE, 1, ("a", "b"))
POPULARITY: Final = FeatureGroup("video_popularity", EntityKind.VIDEO, 1, ("a", "b", "c"))
GROUPS: Final = (TASTE, POPULARITY)

Batches: TypeAlias = "list[list[Fact]]"

_OPS: Final = (Op.ASSERT, Op.ASSERT, Op.ASSERT, Op.ABSENT, Op.RETRACT, Op.RETRACT)

_VALUES: Final = {
    EventKind.PLAY: (None, 0.5, 1.0),
    EventKind.RATING: (0.5, 4.0, 5.0),
    EventKind.THUMB: (1.0, -1.0, 1.0),
    EventKind.LIST: (1.0, 0.0, 1.0),
    EventKind.IMPRESSION: (None, None, None),
}


def seeded(seed: int) -> random.Random:
    """Return chance that repeats itself."""
    return random.Random(seed)  # noqa: S311 - a world, not a secret


@dataclass(frozen=True, slots=True)
class Dirt:
    """What random facts are about: the smaller, the more of them collide."""

    span: int = SPAN
    profiles: tuple[int, ...] = PROFILES
    videos: tuple[int, ...] = VIDEOS
    names: tuple[str, ...] = NAMES
    events: int = 10
    windows: int = 5

    def fact(self, chance: random.Random) -> Fact:
        """Return any fact."""
        kinds = (
            self.features,
            self.attribute,
            self.event,
            self.licence,
            self.allocation,
            self.page,
            self.document,
        )
        return chance.choice(kinds)(chance, self.moment(chance), self.moment(chance))

    def moment(self, chance: random.Random) -> int:
        """Return any moment of the short time."""
        return START + chance.randrange(self.span)

    def features(self, chance: random.Random, valid_from: int, known_at: int) -> Fact:
        """Return a feature vector."""
        op, group = chance.choice(_OPS), chance.choice(GROUPS)
        values = [chance.choice((0.0, 1.5, np.nan)) for _ in group.fields]
        vector = np.array(values, dtype=np.float32) if op is Op.ASSERT else None
        identity = chance.choice(self.profiles if group is TASTE else self.videos)
        return FeatureFact(group.name, identity, valid_from, known_at, vector, op)

    def attribute(self, chance: random.Random, valid_from: int, known_at: int) -> Fact:
        """Return an attribute of a profile or a video."""
        op, kind = chance.choice(_OPS), chance.choice(tuple(EntityKind))
        identity = chance.choice(self.profiles if kind is EntityKind.PROFILE else self.videos)
        value = chance.choice(("ä", 7, None, ["x"])) if op is Op.ASSERT else None
        name = chance.choice(self.names)
        return AttributeFact(kind, identity, name, valid_from, known_at, value, op)

    def allocation(self, chance: random.Random, valid_from: int, known_at: int) -> Fact:
        """Return an allocation to a cell of an A/B test, or to none."""
        op, test = chance.choice(_OPS), chance.choice(TESTS)
        cell = chance.choice(("1", "2", None)) if op is Op.ASSERT else None
        profile = chance.choice(self.profiles)
        return AllocationFact(profile, test, valid_from, known_at, cell, op)

    def event(self, chance: random.Random, valid_from: int, known_at: int) -> Fact:
        """Return an event, which may have been recorded with its place on a page."""
        attribution = Attribution(
            self.moment(chance), chance.choice(("genre", "popular")), chance.randrange(3)
        )
        event_id = f"event-{chance.randrange(self.events)}"
        profile_id = chance.choice(self.profiles)
        kind = chance.choice(tuple(EventKind))
        return EventFact(
            event_id=event_id,
            profile_id=profile_id,
            event_at=valid_from,
            kind=kind,
            video_id=chance.choice(self.videos),
            value=chance.choice(_VALUES[kind]),
            known_at=known_at,
            op=chance.choice(_OPS),
            attribution=chance.choice((None, attribution)),
        )

    def licence(self, chance: random.Random, valid_from: int, known_at: int) -> Fact:
        """Return a licence window."""
        return AvailabilityFact(
            window_id=f"window-{chance.randrange(self.windows)}",
            video_id=chance.choice(self.videos),
            country=chance.choice(COUNTRIES),
            valid_from=valid_from,
            valid_to=valid_from + 1 + chance.randrange(self.span),
            known_at=known_at,
            op=chance.choice(_OPS),
        )

    def document(self, chance: random.Random, valid_from: int, known_at: int) -> Fact:
        """Return a document."""
        op, name = chance.choice(_OPS), chance.choice(DOCUMENTS)
        body = {"rows": chance.randrange(3)} if op is Op.ASSERT else None
        return DocumentFact("configuration", name, valid_from, known_at, 1, body, op)

    def page(self, chance: random.Random, shown_at: int, known_at: int) -> Fact:
        """Return a logged page with one feature group, or that there was none."""
        op, profile = chance.choice(_OPS), chance.choice(self.profiles)
        if op is not Op.ASSERT:
            return LoggedPageFact.withdraw(profile, shown_at, known_at, op)
        ids = np.array([chance.choice(self.videos)], dtype=np.int64)
        values = np.array([[1.5, np.nan, chance.randrange(3)]], dtype=np.float32)
        return LoggedPageFact(
            profile,
            shown_at,
            known_at,
            chance.choice(("phone", "tv")),
            {"country": chance.choice(COUNTRIES)},
            chance.choice((b"one", b"other")),
            "digest",
            (LoggedFeatures(POPULARITY.name, ids, values, ids - 1, ids - 2),),
        )


SMALL: Final = Dirt()
LARGE: Final = Dirt(
    span=200,
    profiles=tuple(range(1, 120, 2)),
    videos=tuple(range(1000, 1080)),
    names=(*NAMES, "genre"),
    events=500,
    windows=200,
)


def key_of(fact: Fact) -> tuple[object, ...]:  # noqa: PLR0911 - one for each kind
    """Return what two facts of one batch must not both have, unless they are the same."""
    match fact:
        case FeatureFact():
            return (fact.group, fact.entity_id, fact.valid_from, fact.known_at)
        case AttributeFact():
            return (fact.kind, fact.entity_id, fact.name, fact.valid_from, fact.known_at)
        case EventFact():
            return (fact.event_id, fact.known_at)
        case AvailabilityFact():
            return (fact.window_id, fact.known_at)
        case DocumentFact():
            return (fact.collection, fact.name, fact.valid_from, fact.known_at)
        case AllocationFact():
            return (fact.profile_id, fact.test, fact.valid_from, fact.known_at)
        case _:
            return (fact.profile_id, fact.shown_at, fact.known_at)


def random_batches(
    chance: random.Random, *, batches: int, facts: int, dirt: Dirt = SMALL
) -> Batches:
    """Return batches of so many facts at most; each batch may repeat and correct others."""
    made: Batches = []
    for _ in range(batches):
        batch = {key_of(fact): fact for fact in (dirt.fact(chance) for _ in range(facts))}
        repeats = 2 + facts // 50
        repeated = [chance.choice(chance.choice(made)) for _ in range(repeats) if made]
        batch = {key_of(fact): fact for fact in repeated} | batch
        made.append(list(batch.values()))
    return made


def dirty_batches(*, batches: int = 4, facts: int = 25) -> st.SearchStrategy[Batches]:
    """Return the strategy of `random_batches`."""
    return st.builds(
        lambda seed, count, size: random_batches(seeded(seed), batches=count, facts=size),
        st.integers(0, 2**32),
        st.integers(1, batches),
        st.integers(1, facts),
    )


def moments() -> st.SearchStrategy[int]:
    """Return moments before, within and after the short time."""
    return st.integers(START - 1, START + SPAN + 1)


def batch_counts() -> st.SearchStrategy[int | None]:
    """Return after how many batches to pin a snapshot: none, some, all or too many; or not."""
    return st.none() | st.integers(0, 6)
