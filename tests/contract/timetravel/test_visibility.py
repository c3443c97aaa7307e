"""Every backend answers as the plain-Python rule says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.moments import LAST_MICROS
from tests.support.effort import effort
from tests.support.facts.dirty_facts import (
    SPAN,
    START,
    batch_counts,
    dirty_batches,
    moments,
    random_batches,
    seeded,
)
from tests.support.facts.fact_answers import QUESTIONS, ask_everything, fill

if TYPE_CHECKING:
    from tests.contract.timetravel.conftest import Backend
    from tests.support.facts.dirty_facts import Batches
    from timetravel.store import Store

relaxed = settings(
    max_examples=effort(5, 25),
    deadline=None,
    # The backend stands for the whole session, and each example empties it.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@relaxed
@given(
    batches=dirty_batches(),
    at=st.lists(moments(), min_size=1, max_size=3),
    known_by=st.none() | moments(),
    pinned_after=batch_counts(),
)
def test_a_backend_answers_as_the_rule_says(
    backend: Backend,
    batches: Batches,
    at: list[int],
    known_by: int | None,
    pinned_after: int | None,
) -> None:
    filled = fill(backend.store, batches)
    snapshot = filled.snapshot(pinned_after)
    expected = ask_everything(filled.in_memory.as_of(snapshot, known_by), at)
    assert ask_everything(backend.as_of(snapshot, known_by), at) == expected


@relaxed
@given(batches=dirty_batches(), at=st.lists(moments(), min_size=1, max_size=3))
def test_the_live_system_sees_all_that_is_there(
    store: Store, batches: Batches, at: list[int]
) -> None:
    filled = fill(store, batches)
    expected = ask_everything(filled.in_memory.as_of(known_by=LAST_MICROS), at)
    assert ask_everything(store.current(), at) == expected


@relaxed
@given(batches=dirty_batches(batches=1), seed=st.integers(0, 2**32), at=moments())
def test_order_repetition_and_batching_change_no_answer(
    store: Store, batches: Batches, seed: int, at: int
) -> None:
    chance = seeded(seed)
    facts = batches[0]
    fill(store, [facts])
    expected = ask_everything(store.as_of(), [at])
    shuffled = [*facts, *(fact for fact in facts if chance.random() < 0.3)]
    chance.shuffle(shuffled)
    cut = chance.randrange(len(shuffled) + 1)
    fill(store, [shuffled[:cut], shuffled[cut:]])
    assert ask_everything(store.as_of(), [at]) == expected


@relaxed
@given(
    batches=dirty_batches(),
    at=moments(),
    known_by=st.none() | moments(),
    pinned_after=batch_counts(),
)
def test_an_answer_stays_until_it_says(
    backend: Backend, batches: Batches, at: int, known_by: int | None, pinned_after: int | None
) -> None:
    filled = fill(backend.store, batches)
    reader = backend.as_of(filled.snapshot(pinned_after), known_by)
    ends = {
        "catalogue": reader.catalogue(at, ["title", "year"]).unchanged_until,
        "catalogue_features": reader.catalogue_features("video_popularity", at).unchanged_until,
        "availability": reader.availability(at).unchanged_until,
    }
    last = START + 2 * SPAN + 2
    for name, end in ends.items():
        assert end is None or end > at
        until = last if end is None else end
        ask = QUESTIONS[name]
        expected = ask(reader, [at])
        for later in range(at, min(until, last)):
            assert ask(reader, [later]) == expected, name


@pytest.mark.scaled
def test_whatever_collides_agrees_at_every_moment(backend: Backend) -> None:
    batches = random_batches(seeded(0), batches=12, facts=120)
    filled = fill(backend.store, batches)
    all_moments = list(range(START - 1, START + SPAN + 2))
    middle = START + SPAN // 2
    for pinned_after in effort((3, None), (0, 3, 7, None)):
        snapshot = filled.snapshot(pinned_after)
        for known_by in effort((None, middle), (None, middle, START + SPAN)):
            expected = ask_everything(filled.in_memory.as_of(snapshot, known_by), all_moments)
            assert ask_everything(backend.as_of(snapshot, known_by), all_moments) == expected
