"""Every ledger answers as the plain-Python rule says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.effort import effort
from tests.support.facts.dirty_facts import (
    PROFILES,
    SPAN,
    START,
    batch_counts,
    dirty_batches,
    moments,
    random_batches,
    seeded,
)
from tests.support.facts.fact_answers import fill
from tests.support.facts.ledger_answers import STRATA, ask_ledger, resume_each_time
from timetravel.ledger.questions import Changes, TimeAxis
from timetravel.queries.as_of_reader import AsOfReader
from timetravel.reading.profile_search import count_profiles, find_profiles
from timetravel.rpc.client import TimeTravelClient
from timetravel.segments.reader import SegmentReader

if TYPE_CHECKING:
    import pytest

    from tests.contract.timetravel.conftest import Backend
    from tests.support.facts.dirty_facts import Batches
    from timetravel.store import Store

relaxed = settings(
    max_examples=effort(3, 10),
    deadline=None,
    # The backend stands for the whole session, and each example empties it.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@relaxed
@given(
    batches=dirty_batches(),
    at=moments(),
    known_by=st.none() | moments(),
    pinned_after=batch_counts(),
)
def test_a_ledger_answers_as_the_rule_says(
    ledger_backend: Backend,
    batches: Batches,
    at: int,
    known_by: int | None,
    pinned_after: int | None,
) -> None:
    filled = fill(ledger_backend.store, batches)
    snapshot = filled.snapshot(pinned_after)
    expected = ask_ledger(filled.in_memory.ledger(snapshot, known_by), [at])
    assert ask_ledger(ledger_backend.ledger(snapshot, known_by), [at]) == expected


def test_a_ledger_answers_for_many_facts_at_many_moments(ledger_backend: Backend) -> None:
    filled = fill(ledger_backend.store, random_batches(seeded(5), batches=6, facts=120))
    for pinned_after, known_by in ((None, None), (3, START + SPAN // 2)):
        snapshot = filled.snapshot(pinned_after)
        asked = [START - 1, START + SPAN // 2, START + SPAN]
        expected = ask_ledger(filled.in_memory.ledger(snapshot, known_by), asked)
        assert ask_ledger(ledger_backend.ledger(snapshot, known_by), asked) == expected


@relaxed
@given(batches=dirty_batches(batches=2), after=st.integers(1, 5))
def test_changes_go_on_after_any_of_them(
    ledger_backend: Backend, batches: Batches, after: int
) -> None:
    fill(ledger_backend.store, batches)
    ledger = ledger_backend.ledger(None, None)
    for axis in TimeAxis:
        changes = Changes(axis, START - 1, START + SPAN)
        whole = [change.version for change in ledger.changed_facts(changes)]
        assert list(resume_each_time(ledger, changes, after=after)) == whole


def test_changes_are_read_in_as_many_pieces_as_it_takes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, random_batches(seeded(3), batches=3, facts=100))
    changes = Changes(TimeAxis.KNOWN, START - 1, START + SPAN)
    whole = list(store.ledger().changed_facts(changes))
    monkeypatch.setattr("timetravel.ledger.store_ledger._LARGEST_READ", 4)
    assert list(store.ledger().changed_facts(changes)) == whole
    assert len(whole) > 200


def test_candidates_do_not_depend_on_who_reads_their_attributes(backend: Backend) -> None:
    filled = fill(backend.store, random_batches(seeded(9), batches=4, facts=120))
    snapshot = filled.snapshot(3)
    reader = backend.as_of(snapshot, None)
    if isinstance(reader, TimeTravelClient):
        return  # the service finds candidates itself
    assert isinstance(reader, AsOfReader | SegmentReader)
    ledger = filled.in_memory.ledger(snapshot)
    for at in range(START, START + SPAN):
        for strata in STRATA:
            assert count_profiles(reader, at, strata) == ledger.count_profiles(at, strata)
            found = find_profiles(reader, at, strata, PROFILES[0], 5)
            expected = ledger.find_profiles(at, strata, PROFILES[0], 5)
            assert found.profile_ids.tolist() == expected.profile_ids.tolist()
            assert found.columns == expected.columns
            assert found.newest_known_at.tolist() == expected.newest_known_at.tolist()
