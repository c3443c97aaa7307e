"""A chunk is taken whole, once, and after the ones before it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from tests.support.facts.dirty_facts import GROUPS, TASTE, random_batches, seeded
from tests.support.facts.ingest_service import NOW, chunk, ingestable, register_groups, taste
from timetravel.database import migrate
from timetravel.errors import ChunkExists, ChunkOutOfOrder, InvalidChunk
from timetravel.facts.model import EntityKind, FeatureGroup
from timetravel.ingest.limits import Limits
from timetravel.ingest.stream.chunks import ChunkTaker
from timetravel.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from timetravel.database.registry import Registry

FAME = FeatureGroup("fame", EntityKind.VIDEO, 1, ("a", "b"))


@pytest.fixture
def taker(store: Store) -> ChunkTaker:
    return ChunkTaker(store, Limits(), lambda: NOW)


def test_a_chunk_is_what_the_writer_would_have_appended(
    taker: ChunkTaker, store: Store, tmp_path: Path
) -> None:
    facts = ingestable(random_batches(seeded(3), batches=1, facts=200)[0])
    assert len({type(fact) for fact in facts}) >= 6
    taken = taker.take(chunk(facts))
    assert taken.tx_id == store.snapshot() == len(GROUPS) + 1
    url = f"sqlite:///{tmp_path / 'other.db'}"
    migrate.upgrade(url)
    with Store.open(url) as other:
        register_groups(other)
        with other.begin(NOW) as writer:
            writer.append(facts, source="test", synthetic=False)
        assert store.digest() == other.digest()
        assert store.count_facts() == other.count_facts()


def test_a_chunk_sent_again_gets_the_same_answer_and_changes_nothing(
    taker: ChunkTaker, store: Store
) -> None:
    first = taker.take(chunk(records=[taste()]))
    second = taker.take(chunk(records=[taste(feature_entity_id=2)], sequence=2))
    digest = store.digest()
    for _ in range(2):
        assert taker.take(chunk(records=[taste()])) == first
        assert taker.take(chunk(records=[taste(feature_entity_id=2)], sequence=2)) == second
    assert store.digest() == digest
    assert store.count_facts()["features"] == 2


def test_a_chunk_sent_again_is_known_whatever_the_registry_has_become(
    taker: ChunkTaker, store: Store
) -> None:
    first = taker.take(chunk(records=[taste()]))
    with store.begin(0) as writer:
        writer.register(FeatureGroup(TASTE.name, TASTE.entity_kind, 2, ("a", "b", "c")))
    digest = store.digest()
    # Its vector has a field less than the newest schema version; it was taken all the same.
    with pytest.raises(InvalidChunk):
        taker.take(chunk(records=[taste()], sequence=2))
    assert taker.take(chunk(records=[taste()])) == first
    assert store.digest() == digest


def test_another_chunk_under_the_same_key_is_refused(taker: ChunkTaker, store: Store) -> None:
    taker.take(chunk(records=[taste()]))
    digest = store.digest()
    with pytest.raises(ChunkExists, match="Chunk 1"):
        taker.take(chunk(records=[taste(feature_entity_id=2)]))
    assert store.digest() == digest


def test_a_chunk_before_its_turn_is_refused(taker: ChunkTaker, store: Store) -> None:
    with pytest.raises(ChunkOutOfOrder, match="Send chunk 1"):
        taker.take(chunk(records=[taste()], sequence=2))
    taker.take(chunk(records=[taste()]))
    with pytest.raises(ChunkOutOfOrder, match="Send chunk 2"):
        taker.take(chunk(records=[taste()], sequence=3))
    assert store.count_facts()["features"] == 1


def test_a_refused_chunk_does_not_take_its_number(taker: ChunkTaker) -> None:
    taker.take(chunk(records=[taste()]))
    with pytest.raises(InvalidChunk):
        taker.take(chunk(records=[taste(op=0)], sequence=2))
    newest = taker.newest("test")
    assert newest is not None
    assert newest.sequence == 1
    assert taker.take(chunk(records=[taste(feature_entity_id=2)], sequence=2)).sequence == 2


def test_streams_do_not_mind_each_other(taker: ChunkTaker) -> None:
    for stream in ("a", "b"):
        assert taker.take(chunk(records=[taste()], stream=stream)).sequence == 1
    assert taker.newest("c") is None


def test_the_bookmark_of_the_last_chunk_is_kept(taker: ChunkTaker) -> None:
    taker.take(chunk(records=[taste()], bookmark="line 10"))
    taker.take(chunk(records=[taste()], sequence=2, bookmark="line 20"))
    newest = taker.newest("test")
    assert newest is not None
    assert newest.bookmark == "line 20"


def test_a_group_is_registered_before_the_records_of_its_chunk(
    taker: ChunkTaker, store: Store
) -> None:
    taken = taker.take(chunk(groups=[FAME], records=[taste(feature_group="fame")]))
    assert taken.tx_id == store.snapshot() == len(GROUPS) + 2
    assert store.as_of().features("fame", [1], NOW).values.tolist() == [[1, 2]]


def test_a_group_and_its_records_come_together_or_not_at_all(
    taker: ChunkTaker, store: Store
) -> None:
    digest = store.digest()
    with pytest.raises(InvalidChunk):
        taker.take(chunk(groups=[FAME], records=[taste(feature_group="fame", op=0)]))
    assert "fame" not in store.as_of().feature_groups()
    assert store.digest() == digest


def test_a_chunk_may_hold_groups_alone(taker: ChunkTaker, store: Store) -> None:
    assert taker.take(chunk(groups=[FAME])).records == 0
    assert taker.take(chunk(groups=[FAME], sequence=2)).tx_id == store.snapshot()
    assert store.as_of().feature_groups()["fame"] == FAME


def test_a_chunk_keeps_its_meaning_when_a_schema_version_is_registered_meanwhile(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = store.registry()
    with store.begin(0) as writer:
        writer.register(FeatureGroup(TASTE.name, TASTE.entity_kind, 2, ("b", "a")))
    taker = ChunkTaker(store, Limits(), lambda: NOW)

    def chunk_of_before(*_: object) -> tuple[None, Registry]:
        return None, stale

    monkeypatch.setattr(Store, "chunk", chunk_of_before)
    taker.take(chunk(records=[taste(feature_values=[], feature_fields={"a": 1.0, "b": 2.0})]))
    assert store.as_of().features(TASTE.name, [1], NOW).values.tolist() == [[2, 1]]


def test_of_two_senders_of_one_chunk_one_brings_it_and_both_are_answered(
    taker: ChunkTaker, store: Store
) -> None:
    answers: list[object] = []

    def send() -> None:
        answers.extend(
            taker.take(chunk(records=[taste(feature_entity_id=sequence)], sequence=sequence))
            for sequence in range(1, 11)
        )

    senders = [threading.Thread(target=send) for _ in range(3)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert len(answers) == 30
    assert len(set(answers)) == 10
    assert store.count_facts()["features"] == 10
