"""Facts as dirty as they come: late, back-dated, repeated, corrected, absent and retracted.

The world is small and time is short, so that facts collide. Moments lie between START and
START + SPAN microseconds.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from hypothesis import strategies as st

from timetravel.model import (
    AttributeFact,
    AvailabilityFact,
    DocumentFact,
    EntityKind,
    EventFact,
    EventKind,
    FeatureFact,
    FeatureGroup,
    Op,
)

if TYPE_CHECKING:
    from timetravel.model import Fact

START: Final = 1_000_000
SPAN: Final = 12

PROFILES: Final = (1, 2, 300)
VIDEOS: Final = (1, 2, 70_000, 2**40)
NAMES: Final = ("title", "year")
DOCUMENTS: Final = ("homepage", "personal")
COUNTRIES: Final = ("DE", "NZ", "US")
TASTE: Final = FeatureGroup("profile_taste", EntityKind.PROFILE, 1, ("a", "b"))
POPULARITY: Final = FeatureGroup("video_popularity", EntityKind.VIDEO, 1, ("a", "b", "c"))
GROUPS: Final = (TASTE, POPULARITY)

Batches: TypeAlias = "list[list[Fact]]"

_OPS: Final = (Op.ASSERT, Op.ASSERT, Op.ASSERT, Op.ABSENT, Op.RETRACT, Op.RETRACT)


def seeded(seed: int) -> random.Random:
    """Return chance that repeats itself."""
    return random.Random(seed)  # noqa: S311 - a world, not a secret


def random_moment(chance: random.Random) -> int:
    """Return any moment of the short time."""
    return START + chance.randrange(SPAN)


def random_fact(chance: random.Random) -> Fact:
    """Return any fact of the small world."""
    op = chance.choice(_OPS)
    valid_from, known_at = random_moment(chance), random_moment(chance)
    asserted = op is Op.ASSERT
    match chance.randrange(5):
        case 0:
            group = chance.choice(GROUPS)
            identities = PROFILES if group is TASTE else VIDEOS
            width = len(group.fields)
            values = [chance.choice((0.0, 1.5, np.nan)) for _ in range(width)]
            vector = np.array(values, dtype=np.float32) if asserted else None
            identity = chance.choice(identities)
            return FeatureFact(group.name, identity, valid_from, known_at, vector, op)
        case 1:
            kind = chance.choice(tuple(EntityKind))
            identity = chance.choice(PROFILES if kind is EntityKind.PROFILE else VIDEOS)
            name = chance.choice(NAMES)
            value = chance.choice(("ä", 7, None, ["x"])) if asserted else None
            return AttributeFact(kind, identity, name, valid_from, known_at, value, op)
        case 2:
            return EventFact(
                event_id=f"event-{chance.randrange(6)}",
                profile_id=chance.choice(PROFILES),
                event_at=valid_from,
                kind=chance.choice(tuple(EventKind)),
                video_id=chance.choice(VIDEOS),
                value=chance.choice((None, 0.5, 4.0)),
                known_at=known_at,
                op=op,
            )
        case 3:
            return AvailabilityFact(
                window_id=f"window-{chance.randrange(5)}",
                video_id=chance.choice(VIDEOS),
                country=chance.choice(COUNTRIES),
                valid_from=valid_from,
                valid_to=valid_from + 1 + chance.randrange(SPAN),
                known_at=known_at,
                op=op,
            )
        case _:
            name = chance.choice(DOCUMENTS)
            body = {"rows": chance.randrange(3)} if asserted else None
            return DocumentFact("configuration", name, valid_from, known_at, 1, body, op)


def key_of(fact: Fact) -> tuple[object, ...]:
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
        case _:
            return (fact.profile_id, fact.shown_at, fact.known_at)


def random_batches(chance: random.Random, *, batches: int, facts: int) -> Batches:
    """Return batches of so many facts at most; each batch may repeat and correct others."""
    made: Batches = []
    for _ in range(batches):
        batch = {key_of(fact): fact for fact in (random_fact(chance) for _ in range(facts))}
        repeated = [chance.choice(chance.choice(made)) for _ in range(2) if made]
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
