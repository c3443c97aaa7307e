"""Random look-ups on dirty facts, a hundred thousand in the long profile: none differs."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import pytest

from tests.oracle.in_memory import InMemoryFacts
from tests.support.effort import effort
from tests.support.facts.dirty_facts import GROUPS, LARGE, START, random_batches, seeded
from tests.support.facts.fact_answers import fill
from tests.support.facts.look_ups import ATTENDANT, RandomLookUps

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.timetravel.conftest import Backend
    from tests.support.facts.dirty_facts import Batches
    from tests.support.facts.look_ups import Answers

    Rightly = Callable[[int, int | None], Answers]

AT_LEAST: Final = effort(10_000, 100_000)
BATCHES: Final = 12
VIEWS: Final = ((BATCHES, None), (9, None), (6, START + 120), (3, START + 200))
"""After how many batches a snapshot is pinned, and as known by when."""


@pytest.fixture(scope="module")
def batches() -> Batches:
    return random_batches(seeded(11), batches=BATCHES, facts=900, dirt=LARGE)


def look_ups_of(pinned_after: int) -> RandomLookUps:
    return RandomLookUps(
        LARGE, rows=effort(240, 2400), moments=effort(4, 10), seed=pinned_after
    )


@pytest.fixture(scope="module")
def rightly(batches: Batches) -> Rightly:
    """Return the answers by the rule: the same for all backends, so worked out once."""
    facts = InMemoryFacts()
    for group in GROUPS:
        facts.register(group)
    for batch in batches:
        facts.append(batch)

    @cache
    def answer(pinned_after: int, known_by: int | None) -> Answers:
        return look_ups_of(pinned_after).ask(facts.as_of(pinned_after, known_by))

    return answer


@pytest.mark.scaled
def test_random_look_ups_agree(backend: Backend, batches: Batches, rightly: Rightly) -> None:
    filled = fill(backend.store, batches)
    asked = mismatches = 0
    for pinned_after, known_by in VIEWS:
        reader = backend.as_of(filled.snapshot(pinned_after), known_by)
        given = look_ups_of(pinned_after).ask(reader)
        for kind, expected in rightly(pinned_after, known_by).items():
            pairs = zip(given[kind], expected, strict=True)
            mismatches += sum(one != other for one, other in pairs)
            asked += 0 if kind in ATTENDANT else len(expected)
    assert mismatches == 0
    assert asked >= AT_LEAST
