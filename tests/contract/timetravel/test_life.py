"""What is taken out of a store changes no answer that the store still gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.moments import LAST_MICROS
from tests.oracle.in_memory import InMemoryFacts
from tests.support.effort import effort
from tests.support.facts.dirty_facts import (
    NAMES,
    POPULARITY,
    PROFILES,
    SPAN,
    START,
    TASTE,
    TESTS,
    VIDEOS,
    Dirt,
    moments,
    random_batches,
    seeded,
)
from tests.support.facts.fact_answers import (
    QUESTIONS,
    TRANSACTION,
    allocations_of,
    ask_everything,
    fill,
)
from timetravel.database.engine import reading, writing
from timetravel.errors import BeforeRetention, ProfileErased, StoreChanged, UnknownEntity
from timetravel.facts.model import (
    AllocationFact,
    AttributeFact,
    DocumentFact,
    EntityKind,
    EventFact,
    EventKind,
    FeatureFact,
    LoggedFeatures,
    LoggedPageFact,
    Op,
)
from timetravel.ledger.questions import Changes, TimeAxis
from timetravel.ledger.versions import Subject
from timetravel.removal import erasure, retention
from timetravel.removal.removals import readmit_profiles
from timetravel.segments.reader import SegmentReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.support.facts.dirty_facts import Batches
    from tests.support.facts.fact_answers import Filled
    from timetravel.facts.model import Fact
    from timetravel.reading.reader import FactReader
    from timetravel.store import Store

relaxed = settings(
    max_examples=effort(5, 30),
    deadline=None,
    # The store stands for the whole session, and each example empties it.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NONCE = bytes(32)
DENSE = Dirt(profiles=(1, 2), videos=(1,), names=("title",), events=3, windows=2)
"""So little that most facts correct, follow or retract another."""
LATEST = START + SPAN + 1
HOLDING = (FeatureFact, AttributeFact, AllocationFact, DocumentFact)


def dense_batches(*, batches: int = 6, facts: int = 60) -> st.SearchStrategy[Batches]:
    def make(seed: int, count: int, size: int) -> Batches:
        return random_batches(seeded(seed), batches=count, facts=size, dirt=DENSE)

    return st.builds(
        make, st.integers(0, 2**32), st.integers(1, batches), st.integers(1, facts)
    )


def let_go(store: Store, cutoff: int, snapshot: int) -> Mapping[str, int]:
    bounds = retention.Bounds(cutoff, snapshot)
    with reading(store.engine) as connection:
        planned = retention.count_superseded(connection, bounds)
    with writing(store.engine) as connection:
        removed = retention.let_go(connection, bounds, began_at=0, reason="test", nonce=NONCE)
    assert removed == planned
    return removed


def erase(store: Store, *profile_ids: int) -> erasure.ErasurePlan:
    with reading(store.engine) as connection:
        planned = erasure.plan_erasure(connection, profile_ids)
    with writing(store.engine) as connection:
        erased = erasure.erase_facts(
            connection, profile_ids, began_at=0, reason="test", nonce=NONCE
        )
    assert erased == planned
    return erased


def append_what_is_taken(store: Store, filled: Filled, batch: list[Fact], cutoff: int) -> None:
    """Append a batch to store and oracle alike, without what the store refuses."""

    def is_old_retraction(fact: Fact) -> bool:
        return isinstance(fact, HOLDING) and fact.op is Op.RETRACT and fact.valid_from <= cutoff

    for part in (batch, [fact for fact in batch if not is_old_retraction(fact)]):
        try:
            with store.begin(START) as writer:
                tx_id = writer.append(part, source="test", synthetic=True)
        except BeforeRetention:
            assert part is batch
            continue
        filled.in_memory.append(part, tx_id=tx_id, transaction=TRANSACTION)
        return


@settings(relaxed, max_examples=effort(6, 50))
@given(
    batches=dense_batches(),
    later=dense_batches(batches=3, facts=20),
    cutoff=moments(),
    kept=st.none() | st.integers(0, 6),
    at=st.lists(moments(), min_size=1, max_size=2),
    known_by=st.none() | moments(),
)
def test_retention_changes_no_answer_from_the_cutoff_on_whatever_is_appended_later(
    store: Store,
    batches: Batches,
    later: Batches,
    cutoff: int,
    kept: int | None,
    at: list[int],
    known_by: int | None,
) -> None:
    filled = fill(store, batches)
    first = min(filled.snapshot(kept) or store.snapshot(), store.snapshot())
    let_go(store, cutoff, first)
    for batch in later:
        append_what_is_taken(store, filled, batch, cutoff)
    asked = [max(moment, cutoff) for moment in (*at, cutoff)]
    known = None if known_by is None else max(known_by, cutoff)
    for snapshot in {first, store.snapshot(), (first + store.snapshot()) // 2}:
        expected = ask_everything(filled.in_memory.as_of(snapshot, known), asked)
        assert ask_everything(store.as_of(snapshot, known), asked) == expected
        segment = SegmentReader(store.segment(snapshot), known_by=known)
        assert ask_everything(segment, asked) == expected
        pages = filled.in_memory.ledger(snapshot, known).logged_pages(asked[0])
        found = store.ledger(snapshot, known).logged_pages(asked[0])
        assert [page.page for page in found] == [page.page for page in pages]
        for axis in TimeAxis:
            changes = Changes(axis, cutoff, LATEST)
            changed = store.ledger(snapshot, known).changed_facts(changes)
            right = filled.in_memory.ledger(snapshot, known).changed_facts(changes)
            assert [one.version for one in changed] == [one.version for one in right]


@relaxed
@given(batches=dense_batches(), cutoff=moments(), at=moments())
def test_an_answer_still_stays_until_it_says_after_retention(
    store: Store, batches: Batches, cutoff: int, at: int
) -> None:
    fill(store, batches)
    let_go(store, cutoff, store.snapshot())
    at = max(at, cutoff)
    reader = store.as_of()
    ends = {
        "catalogue": reader.catalogue(at, NAMES).unchanged_until,
        "catalogue_features": reader.catalogue_features(POPULARITY.name, at).unchanged_until,
        "availability": reader.availability(at).unchanged_until,
    }
    for name, end in ends.items():
        ask = QUESTIONS[name]
        for moment in range(at, min(LATEST + SPAN, end or LATEST + SPAN)):
            assert ask(reader, [moment]) == ask(reader, [at]), name


@relaxed
@given(batches=dense_batches(), cutoff=moments())
def test_retention_done_again_finds_nothing(
    store: Store, batches: Batches, cutoff: int
) -> None:
    fill(store, batches)
    snapshot = store.snapshot()
    let_go(store, cutoff, snapshot)
    assert let_go(store, cutoff, snapshot) == {}
    assert [one.kind for one in store.upkeep()] == ["retention"]


def test_versions_that_were_superseded_go_and_those_that_count_stay(store: Store) -> None:
    fill(
        store,
        [
            [title(10, 10), title(20, 20), title(20, 25)],
            [title(40, 40), title(20, 60), title(15, 70)],
        ],
    )
    assert let_go(store, 50, store.snapshot()) == {"attribute_fact": 3, "change_instant": 4}
    history = store.ledger().entity_history(Subject(EntityKind.VIDEO, 1), 100)
    values = ["15 known 70", "20 known 60", "40 known 40"]
    assert [one.version.value for one in history] == values
    assert [span.since for one in history for span in one.spans] == [50]


def title(valid_from: int, known_at: int, op: Op = Op.ASSERT) -> AttributeFact:
    value = f"{valid_from} known {known_at}" if op is Op.ASSERT else None
    return AttributeFact(EntityKind.VIDEO, 1, "title", valid_from, known_at, value, op)


@pytest.mark.parametrize(
    ("facts", "later", "removed"),
    [
        ([title(10, 10), title(20, 20)], [], 1),
        ([title(10, 10), title(10, 20)], [], 1),
        ([title(10, 10), title(20, 15), title(20, 20, Op.RETRACT)], [], 1),
        ([title(10, 10), title(20, 20, Op.RETRACT)], [], 0),
        ([title(10, 10), title(20, 20), title(20, 60, Op.RETRACT)], [], 0),
        ([title(10, 10), title(10, 60)], [], 0),
        ([title(10, 10), title(20, 60)], [], 0),
        ([title(10, 10), title(60, 20)], [], 0),
        ([title(60, 10), title(60, 20)], [], 0),
        ([title(10, 10)], [title(10, 20)], 0),
        ([title(10, 10)], [title(20, 20)], 0),
        ([title(10, 10), title(20, 20)], [title(20, 30, Op.RETRACT)], 0),
    ],
    ids=[
        "what is followed goes",
        "what is corrected goes",
        "what is retracted goes, but not its retraction",
        "what a retraction falls through to stays",
        "what a later retraction falls through to stays",
        "what is corrected after the cutoff stays",
        "what is found to be followed after the cutoff stays",
        "what is followed after the cutoff stays",
        "what becomes true after the cutoff stays",
        "what is corrected after the snapshot stays",
        "what is followed after the snapshot stays",
        "what falls through after the snapshot stays",
    ],
)
def test_what_can_still_be_asked_stays(
    store: Store, facts: list[Fact], later: list[Fact], removed: int
) -> None:
    fill(store, [facts])
    first = store.snapshot()
    if later:
        fill_more(store, later)
    assert let_go(store, 50, first).get("attribute_fact", 0) == removed


@pytest.mark.parametrize("kind", ["sql", "segment", "pinned"])
def test_questions_about_what_was_let_go_are_refused(store: Store, kind: str) -> None:
    filled = fill(store, [[profile_attribute(1)], [profile_attribute(2)]])
    before, newest = filled.snapshot(1), store.snapshot()
    cutoff = START + 5
    let_go(store, cutoff, newest)

    def reader(known_by: int | None = None) -> FactReader:
        if kind == "sql":
            return store.as_of(newest, known_by)
        if kind == "pinned":
            return store.pinned(newest, known_by)
        return SegmentReader(store.segment(newest), known_by=known_by)

    assert reader().attributes(EntityKind.PROFILE, [1], cutoff, ["title"]).columns
    early = cutoff - 1
    questions: dict[str, Callable[[], object]] = {
        "features": lambda: reader().features(TASTE.name, [1, 1], [cutoff, early]),
        "attributes": lambda: reader().attributes(EntityKind.PROFILE, [1], early, ["title"]),
        "allocations": lambda: allocations_of(reader(), [1], early, TESTS),
        "history": lambda: reader().history([1], early),
        "catalogue": lambda: reader().catalogue(early, ["title"]),
        "catalogue_features": lambda: reader().catalogue_features(POPULARITY.name, early),
        "availability": lambda: reader().availability(early),
        "document": lambda: reader().document("configuration", "homepage", early),
        "known by": lambda: reader(known_by=early),
        "snapshot": lambda: store.as_of(before),
        "segment": lambda: store.segment(before or 0),
        "logged pages": lambda: list(store.logged_pages(snapshot=before)),
        "ledger": lambda: store.ledger().entity_history(Subject(EntityKind.PROFILE, 1), early),
        "changes": lambda: list(
            store.ledger().changed_facts(Changes(TimeAxis.KNOWN, early, cutoff))
        ),
        "shown": lambda: store.ledger().logged_pages(early),
        "engagement": lambda: store.ledger().engagement([1], early),
    }
    for name, ask in questions.items():
        with pytest.raises(BeforeRetention):
            raise AssertionError(f"{name} was answered: {ask()}")


def test_a_reader_from_before_retention_refuses_to_go_on(store: Store) -> None:
    fill(store, [[profile_attribute(1)]])
    reader = store.as_of()
    let_go(store, START, store.snapshot())
    with pytest.raises(StoreChanged):
        reader.attributes(EntityKind.PROFILE, [1], LATEST, ["title"])


def profile_attribute(profile_id: int, value: str = "x") -> AttributeFact:
    return AttributeFact(EntityKind.PROFILE, profile_id, "title", START, START, value)


@relaxed
@given(
    batches=dense_batches(),
    erased=st.sampled_from(PROFILES),
    at=st.lists(moments(), min_size=1, max_size=3),
    known_by=st.none() | moments(),
    after=st.none() | st.integers(0, 6),
)
def test_an_erasure_leaves_nothing_of_a_profile_and_all_of_the_others(
    store: Store,
    batches: Batches,
    erased: int,
    at: list[int],
    known_by: int | None,
    after: int | None,
) -> None:
    filled = fill(store, batches)
    snapshot = filled.snapshot(after)
    erase(store, erased)
    others = [profile for profile in (*PROFILES, 9) if profile != erased]
    oracle = filled.in_memory.as_of(snapshot, known_by)
    nothing = forget_everybody(filled).as_of(snapshot, known_by)
    pinned = store.snapshot() if snapshot is None else snapshot
    segment = SegmentReader(store.segment(pinned), known_by=known_by)
    for reader in (store.as_of(snapshot, known_by), segment):
        for moment in at:
            assert about(reader, others, moment) == about(oracle, others, moment)
            assert about(reader, [erased], moment) == about(nothing, [erased], moment)
    for name in ("catalogue", "catalogue_features", "availability", "documents"):
        assert QUESTIONS[name](store.as_of(snapshot, known_by), at) == QUESTIONS[name](
            oracle, at
        )
    assert erased not in store.as_of().entity_ids(EntityKind.PROFILE)
    assert {page.profile_id for page in store.logged_pages()} <= set(others)
    with pytest.raises(UnknownEntity):
        store.ledger().entity_history(Subject(EntityKind.PROFILE, erased), LAST_MICROS)


def test_an_event_that_was_corrected_to_an_erased_profile_does_not_come_back(
    store: Store,
) -> None:
    fill(store, [[event(profile_id=1, known_at=START)]])
    fill_more(store, [event(profile_id=2, known_at=START + 1)])
    erase(store, 2)
    assert events_of(store, 1, at=START) == [7]
    assert events_of(store, 1, at=START + 1) == []
    fill_more(store, [event(profile_id=1, known_at=START + 2)])
    assert events_of(store, 1, at=START + 2) == [7]
    erase(store, 1)
    with reading(store.engine) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM event_fact").scalar() == 0


def test_an_erasure_takes_vectors_out_of_the_pages_of_others(store: Store) -> None:
    ids = np.array([1, 2], np.int64)
    values = np.array([[1, 2], [3, 4]], np.float32)
    logged = LoggedFeatures(TASTE.name, ids, values, ids, ids)
    fill(store, [[LoggedPageFact(1, START, START, "tv", {}, b"page", "digest", (logged,))]])
    assert erase(store, 2).removed == {"logged_vectors": 1}
    (page,) = store.logged_pages()
    assert page.features[0].entity_ids.tolist() == [1]
    assert page.features[0].values.tolist() == [[1, 2]]


@pytest.mark.parametrize(
    "fact",
    [
        FeatureFact(TASTE.name, 1, START, START, np.zeros(2, np.float32)),
        AttributeFact(EntityKind.PROFILE, 1, "title", START, START, "x"),
        AllocationFact(1, "artwork", START, START, "B"),
        EventFact("late", 1, START, EventKind.PLAY, VIDEOS[0], 1.0, START),
        LoggedPageFact(1, START, START, "tv", {}, b"page", "digest"),
    ],
    ids=lambda fact: type(fact).__name__,
)
def test_facts_about_an_erased_profile_are_refused_until_it_is_readmitted(
    store: Store, fact: Fact
) -> None:
    fill(store, [[profile_attribute(1), profile_attribute(2)]])
    erase(store, 1)
    with pytest.raises(ProfileErased, match=r"erased: 1\. .*pagesim db readmit"):
        fill_more(store, [fact, profile_attribute(2, "y")])
    assert store.count_facts()["attributes"] == 1
    fill_more(store, [profile_attribute(2, "y")])
    readmit_profiles(store.engine, [1, 2], reason="test", began_at=0)
    fill_more(store, [fact])
    assert sum(store.count_facts().values()) == 3


def test_an_erasure_is_recorded_once(store: Store) -> None:
    fill(store, [[profile_attribute(1), event(profile_id=1, known_at=START)]])
    before = store.digest()
    assert erase(store, 1, 1).is_new
    (recorded,) = store.upkeep()
    assert recorded.kind == "erasure"
    assert recorded.ended_at is None
    assert dict(recorded.removed) == {"attribute_fact": 1, "entity": 1, "event_fact": 1}
    assert store.erased_profiles().tolist() == [1]
    assert store.digest() != before
    assert not erase(store, 1).is_new
    assert len(store.upkeep()) == 1


def event(*, profile_id: int, known_at: int) -> EventFact:
    return EventFact("moved", profile_id, START, EventKind.PLAY, 7, 1.0, known_at)


def events_of(store: Store, profile_id: int, at: int) -> list[int]:
    videos: list[int] = store.as_of().history([profile_id], at).video_ids.tolist()
    return videos


def fill_more(store: Store, facts: list[Fact]) -> None:
    with store.begin(START) as writer:
        writer.append(facts, source="test", synthetic=True)


def forget_everybody(filled: Filled) -> InMemoryFacts:
    empty = InMemoryFacts()
    empty.groups = filled.in_memory.groups
    return empty


def about(reader: FactReader, profiles: list[int], at: int) -> list[object]:
    features = reader.features(TASTE.name, profiles, at)
    attributes = reader.attributes(EntityKind.PROFILE, profiles, at, NAMES)
    allocations = allocations_of(reader, profiles, at, TESTS)
    history = reader.history(profiles, at)
    return [
        features.values.tobytes(),
        features.known_at.tolist(),
        features.valid_from.tolist(),
        dict(attributes.columns),
        attributes.newest_known_at.tolist(),
        dict(allocations.cells),
        {test: known.tolist() for test, known in allocations.is_known.items()},
        history.offsets.tolist(),
        history.video_ids.tolist(),
        history.event_at.tolist(),
        history.newest_known_at.tolist(),
    ]
