"""Through the ingest service, too, order, repetition and chunks change no answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pagesim.ingest.v1 import ingest_pb2

from tests.oracle.in_memory import InMemoryFacts
from tests.support.effort import effort
from tests.support.facts.dirty_facts import SPAN, START, random_batches, seeded
from tests.support.facts.fact_answers import ask_everything, fill
from tests.support.facts.ingest_service import chunk, ingestable, serving_ingest
from timetravel.errors import ChunkExists, ChunkOutOfOrder, InvalidChunk
from timetravel.facts.model import (
    AllocationFact,
    AttributeFact,
    AvailabilityFact,
    DocumentFact,
    EventFact,
    Fact,
    FeatureFact,
    Op,
)
from timetravel.ingest.stream.client import IngestClient

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from timetravel.store import Store

MOMENTS = (START, START + SPAN // 2, START + SPAN)


class Senders(RuleBasedStateMachine):
    """One stream brings facts in chunks, with all that can go wrong on the way."""

    def __init__(self, store: Store, client: IngestClient) -> None:
        super().__init__()
        self.store = store
        self.client = client
        self.brought: list[Fact] = []
        self.sent: list[tuple[ingest_pb2.IngestRequest, ingest_pb2.IngestResponse]] = []

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        filled = fill(self.store, [])
        self.groups = filled.in_memory.groups
        self.chance = seeded(seed)
        # Among these, no two contradict each other.
        self.facts = ingestable(random_batches(self.chance, batches=1, facts=40)[0])

    @rule(share=st.floats(0, 1))
    def bring_some_in_any_order(self, share: float) -> None:
        some = [fact for fact in self.facts if self.chance.random() < share]
        some += [fact for fact in some if self.chance.random() < 0.2]
        self.chance.shuffle(some)
        if some:
            request = chunk(some, len(self.sent) + 1)
            (answer,) = self.client.send([request])
            self.sent.append((request, answer))
            self.brought += some

    @precondition(lambda machine: machine.sent)
    @rule(chance=st.randoms(use_true_random=False))
    def send_some_chunk_again(self, chance: random.Random) -> None:
        request, answer = chance.choice(self.sent)
        assert list(self.client.send([request])) == [answer]

    @precondition(lambda machine: machine.sent)
    @rule(chance=st.randoms(use_true_random=False))
    def send_something_else_in_its_stead(self, chance: random.Random) -> None:
        request, _ = chance.choice(self.sent)
        other = ingest_pb2.IngestRequest()
        other.CopyFrom(request)
        other.bookmark = "other"
        with pytest.raises(ChunkExists):
            list(self.client.send([other]))

    @rule()
    def send_a_chunk_with_a_bad_record(self) -> None:
        bad = ingest_pb2.Record()
        with pytest.raises(InvalidChunk):
            list(self.client.send([chunk(self.facts, len(self.sent) + 1, records=[bad])]))

    @rule(gap=st.integers(2, 2**40))
    def send_a_chunk_too_early(self, gap: int) -> None:
        with pytest.raises(ChunkOutOfOrder):
            list(self.client.send([chunk(self.facts, len(self.sent) + gap)]))

    def teardown(self) -> None:
        in_memory = InMemoryFacts()
        for group in self.groups.values():
            in_memory.register(group)
        in_memory.append(self.brought)
        expected = ask_everything(in_memory.as_of(), MOMENTS)
        assert ask_everything(self.store.as_of(), MOMENTS) == expected
        assert self.client.position("test").sequence == len(self.sent)


@pytest.fixture
def client(store: Store) -> Iterator[IngestClient]:
    with serving_ingest(store) as channel:
        yield IngestClient(channel)


@pytest.mark.scaled
def test_order_repetition_and_chunks_change_no_answer(
    store: Store, client: IngestClient
) -> None:
    run_state_machine_as_test(
        lambda: Senders(store, client),  # type: ignore[arg-type]  # any callable does
        settings=settings(
            max_examples=effort(5, 15),
            stateful_step_count=10,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )


def test_a_fact_that_contradicts_the_store_is_refused_and_one_that_repeats_it_is_not(
    store: Store, client: IngestClient
) -> None:
    fill(store, [])
    facts = ingestable(random_batches(seeded(7), batches=1, facts=200)[0])
    list(client.send([chunk(facts, 1)]))
    list(client.send([chunk(facts, 2)]))
    seen = set()
    for fact in facts:
        with pytest.raises(InvalidChunk, match="in the store has the same key"):
            list(client.send([chunk([contradict(fact)], 3)]))
        seen.add(type(fact))
    assert len(seen) == len(get_args(Fact))


def contradict(fact: Fact) -> Fact:
    """Return another fact with the same key and known_at."""
    if isinstance(fact, EventFact | AvailabilityFact):
        return replace(fact, video_id=fact.video_id + 1)
    if fact.op is not Op.ASSERT:
        return replace(fact, op=Op.ABSENT if fact.op is Op.RETRACT else Op.RETRACT)
    if isinstance(fact, AttributeFact):
        return replace(fact, op=Op.ABSENT, value=None)
    if isinstance(fact, AllocationFact):
        return replace(fact, cell=f"{fact.cell} 2")
    if isinstance(fact, DocumentFact):
        return replace(fact, body={"other": fact.body})
    assert isinstance(fact, FeatureFact)
    assert fact.values is not None
    return replace(fact, values=np.nan_to_num(fact.values) + np.float32(1))
