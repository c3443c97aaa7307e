"""Appending is all or nothing, one writer after the other."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
import sqlalchemy as sa

from core.moments import EARLIEST_MICROS
from timetravel.database import migrate, schema
from timetravel.errors import (
    ContradictingFacts,
    FeatureGroupExists,
    InvalidFact,
    UnknownFeatureGroup,
)
from timetravel.facts.model import (
    AttributeFact,
    AvailabilityFact,
    EntityKind,
    EventFact,
    EventKind,
    FeatureFact,
    FeatureGroup,
    Op,
)
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from timetravel.facts.model import Fact, JsonValue

TASTE = FeatureGroup("taste", EntityKind.PROFILE, 1, ("drama", "comedy"))


def vector(*values: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.array(values, dtype=np.float32)


def title(video_id: int, value: JsonValue, *, known_at: int = 0) -> AttributeFact:
    return AttributeFact(EntityKind.VIDEO, video_id, "title", 0, known_at, value)


def append(store: Store, facts: Sequence[Fact], *groups: FeatureGroup) -> int:
    with store.begin(committed_at_micros=5) as writer:
        for group in groups:
            writer.register(group)
        return writer.append(facts, source="test", synthetic=False)


def test_an_error_before_the_end_leaves_nothing(store: Store) -> None:
    def write_and_fail() -> None:
        with store.begin(0) as writer:
            writer.register(TASTE)
            writer.append([title(1, "Alien")], source="test", synthetic=False)
            writer.set_cursor("job", {"day": 1})
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_and_fail()
    assert store.snapshot() == 0
    assert set(store.count_facts().values()) == {0}
    assert store.cursor("job") is None
    assert store.as_of().feature_groups() == {}


def test_a_refused_batch_leaves_nothing_of_itself(store: Store) -> None:
    with store.begin(0) as writer:
        writer.append([title(1, "Alien")], source="test", synthetic=False)
        with pytest.raises(ContradictingFacts):
            writer.append(
                [title(2, "Brazil"), title(3, "Cube"), title(3, "Cure")],
                source="test",
                synthetic=False,
            )
        writer.append([title(4, "Dogville")], source="test", synthetic=False)
    assert store.snapshot() == 2
    assert store.as_of().catalogue(0, ["title"]).columns == {"title": ["Alien", "Dogville"]}


def test_transactions_say_who_gave_the_facts_and_whether_they_are_made_up(store: Store) -> None:
    with store.begin(committed_at_micros=7) as writer:
        writer.append([title(1, "Alien")], source="films", synthetic=False)
        writer.append([title(2, "Brazil")], source="seed 3", synthetic=True)
    with store._reading() as connection:
        rows = connection.execute(sa.select(schema.ingest_transaction)).all()
    found = [tuple(row)[:4] for row in rows]
    assert found == [(1, 7, "films", False), (2, 7, "seed 3", True)]


def test_stores_have_one_digest_as_long_as_they_were_given_the_same_facts(
    tmp_path: Path,
) -> None:
    digests = []
    for number, second in enumerate(("Brazil", "Brazil", "Cube")):
        url = f"sqlite:///{tmp_path / f'{number}.db'}"
        migrate.upgrade(url)
        with Store.open(url) as store:
            append(store, [title(1, "Alien")])
            append(store, [title(2, second)])
            digests.append([store.digest(snapshot) for snapshot in (0, 1, 2, None)])
    assert digests[0] == digests[1]
    assert digests[0][:2] == digests[2][:2]
    assert digests[0][2] != digests[2][2]
    assert digests[0][2] == digests[0][3]
    assert len(set(digests[0])) == 3


def test_a_fact_that_comes_twice_is_taken_once(store: Store) -> None:
    append(store, [title(1, "Alien"), title(1, "Alien")])
    assert store.count_facts()["attributes"] == 1


@pytest.mark.parametrize(
    "facts",
    [
        [title(1, "Alien"), title(1, "Aliens")],
        [
            FeatureFact("taste", 1, 0, 0, vector(1, 2)),
            FeatureFact("taste", 1, 0, 0, None, Op.RETRACT),
        ],
        [
            EventFact("e", 1, 0, EventKind.PLAY, 1, 0.5, 0),
            EventFact("e", 1, 9, EventKind.PLAY, 1, 0.5, 0),
        ],
        [AvailabilityFact("w", 1, "US", 0, 9, 0), AvailabilityFact("w", 1, "US", 0, 8, 0)],
    ],
)
def test_two_facts_of_a_batch_that_cannot_both_be_are_refused(
    store: Store, facts: list[Fact]
) -> None:
    with pytest.raises(ContradictingFacts, match="later known_at"):
        append(store, facts, TASTE)


def test_of_two_transactions_with_the_same_known_at_the_later_speaks(store: Store) -> None:
    append(store, [title(1, "Alien")])
    append(store, [title(1, "Aliens")])
    assert store.as_of().catalogue(0, ["title"]).columns == {"title": ["Aliens"]}
    assert store.as_of(snapshot=1).catalogue(0, ["title"]).columns == {"title": ["Alien"]}


@pytest.mark.parametrize(
    ("fact", "error"),
    [
        (FeatureFact("unheard", 1, 0, 0, vector(1, 2)), UnknownFeatureGroup),
        (FeatureFact("taste", 1, 0, 0, vector(1)), InvalidFact),
        (FeatureFact("taste", 1, 0, 0, vector(1, np.inf)), InvalidFact),
        (title(1, float("nan")), InvalidFact),
    ],
)
def test_a_fact_that_contradicts_the_registry_or_json_is_refused(
    store: Store, fact: Fact, error: type[Exception]
) -> None:
    with pytest.raises(error):
        append(store, [fact], TASTE)
    assert store.snapshot() == 0


def test_a_missing_field_of_a_vector_is_nan(store: Store) -> None:
    append(store, [FeatureFact("taste", 1, 0, 0, vector(np.nan, 2))], TASTE)
    assert store.as_of().features("taste", [1], 0).values.tolist()[0][1] == 2


def test_a_vector_that_is_absent_has_no_values_but_says_since_when(store: Store) -> None:
    append(store, [FeatureFact("taste", 1, 3, 4, None, Op.ABSENT)], TASTE)
    rows = store.as_of().features("taste", [1, 2], 9)
    assert np.isnan(rows.values).all()
    assert rows.known_at.tolist() == [4, EARLIEST_MICROS]
    assert rows.valid_from.tolist() == [3, EARLIEST_MICROS]


def test_to_register_a_group_again_changes_nothing(store: Store) -> None:
    append(store, [], TASTE)
    before = store.snapshot()
    with store.begin(0) as writer:
        writer.register(TASTE)
    assert store.snapshot() == before


def test_other_fields_need_another_schema_version(store: Store) -> None:
    append(store, [], TASTE)
    with pytest.raises(FeatureGroupExists, match="schema version 2"), store.begin(0) as writer:
        writer.register(FeatureGroup("taste", EntityKind.PROFILE, 1, ("drama",)))


def test_a_schema_version_does_not_go_back_nor_change_its_kind(store: Store) -> None:
    append(store, [], FeatureGroup("taste", EntityKind.PROFILE, 2, ("drama",)))
    with pytest.raises(InvalidFact), store.begin(0) as writer:
        writer.register(FeatureGroup("taste", EntityKind.PROFILE, 1, ("drama",)))
    with pytest.raises(InvalidFact), store.begin(0) as writer:
        writer.register(FeatureGroup("taste", EntityKind.VIDEO, 3, ("drama",)))


def test_a_later_schema_version_reads_earlier_vectors_by_field(store: Store) -> None:
    append(store, [FeatureFact("taste", 1, 0, 0, vector(1, 2))], TASTE)
    pinned = store.snapshot()
    later = FeatureGroup("taste", EntityKind.PROFILE, 2, ("horror", "comedy"))
    append(store, [FeatureFact("taste", 2, 0, 0, vector(8, 9))], later)
    values = store.as_of().features("taste", [1, 2, 3], 0).values
    expected = np.array([[np.nan, 2], [8, 9], [np.nan, np.nan]], dtype=np.float32)
    assert np.array_equal(values, expected, equal_nan=True)
    # A pinned experiment goes on reading what it read.
    assert store.as_of(snapshot=pinned).features("taste", [1], 0).values.tolist() == [[1, 2]]


def test_the_writer_reads_what_it_has_appended_and_nobody_else_does_yet(store: Store) -> None:
    with store.begin(0) as writer:
        writer.append([title(1, "Alien")], source="test", synthetic=False)
        assert writer.current.catalogue(0, ["title"]).columns == {"title": ["Alien"]}
        assert store.current().catalogue(0, ["title"]).columns == {"title": []}
    assert store.current().catalogue(0, ["title"]).columns == {"title": ["Alien"]}


def test_writers_wait_for_each_other_and_transactions_follow_commits(store: Store) -> None:
    def write(video_id: int) -> None:
        for known_at in range(5):
            append(store, [title(video_id, "x", known_at=known_at)])

    threads = [threading.Thread(target=write, args=(video_id,)) for video_id in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.snapshot() == 20
    assert store.count_facts()["attributes"] == 20


def test_a_pinned_snapshot_never_changes(store: Store) -> None:
    append(store, [title(1, "Alien")])
    pinned = store.as_of()
    before = pinned.catalogue(9, ["title"])
    append(store, [title(1, "Aliens", known_at=1), title(2, "Brazil")])
    after = pinned.catalogue(9, ["title"])
    assert after.columns == before.columns == {"title": ["Alien"]}
    assert after.catalogue_version == before.catalogue_version
    assert after.unchanged_until == before.unchanged_until


def test_a_cursor_holds_the_latest_value(store: Store) -> None:
    for day in (1, 2):
        with store.begin(0) as writer:
            writer.set_cursor("job", {"day": day})
            assert writer.cursor("job") == {"day": day}
    assert store.cursor("job") == {"day": 2}
    assert store.cursor("other") is None
