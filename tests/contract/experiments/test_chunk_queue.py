"""The queue of chunks against its rules in plain Python, on every backend."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from experiments.errors import LeaseLost
from experiments.queue.chunk_queue import (
    LEASE_RAN_OUT,
    RECLAIMED,
    ChunkQueue,
    DeadLetter,
    DoneChunk,
    FailedAttempt,
    Lease,
    PartitionProgress,
    open_queue_database,
)
from experiments.queue.schema import ChunkState
from tests.support.effort import effort

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa

ATTEMPTS = 3
LEASE_SECONDS = 10.0
PARTITIONS = st.sampled_from(["control-000", "trial-000"])


@pytest.fixture(scope="module")
def engine(database: sa.URL) -> Iterator[sa.Engine]:
    opened = open_queue_database(database)
    yield opened
    opened.dispose()


@dataclass
class PlainChunk:
    """What there is to know of a chunk."""

    pages: int
    state: ChunkState = ChunkState.WAITING
    token: int = 0
    attempts: int = 0
    available_at: int = 0
    leased_until: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    error: str = ""

    def is_due(self, now: int) -> bool:
        waits = self.state is ChunkState.WAITING and self.available_at <= now
        return waits or (self.state is ChunkState.LEASED and self.leased_until <= now)

    def give_back(self, error: str, available_at: int) -> None:
        self.error, self.available_at = error, available_at
        self.state = ChunkState.DEAD if self.attempts >= ATTEMPTS else ChunkState.WAITING


class Queues(RuleBasedStateMachine):
    """The queue beside plain chunks; time stands still between steps."""

    engine: sa.Engine

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000_000_000
        run_id = uuid4().hex
        self.queue = ChunkQueue(
            self.engine, run_id, attempts=ATTEMPTS, now_micros=lambda: self.now
        )
        self.plain: dict[str, list[PlainChunk]] = {}
        self.leases: list[Lease] = []

    def held(self, lease: Lease) -> PlainChunk | None:
        own = self.plain[lease.partition][lease.number]
        return own if (own.state, own.token) == (ChunkState.LEASED, lease.token) else None

    @rule(partition=PARTITIONS, sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4))
    def post(self, partition: str, sizes: list[int]) -> None:
        self.queue.post(partition, sizes)
        own = self.plain.setdefault(partition, [])
        own += [PlainChunk(pages) for pages in sizes[len(own) :]]

    @rule(seconds=st.sampled_from([0.0, 1.0, 9.0, 10.0]))
    def wait(self, seconds: float) -> None:
        self.now += round(seconds * 1e6)

    @rule(partition=PARTITIONS)
    def lease(self, partition: str) -> None:
        found = self.queue.lease(partition, "worker", LEASE_SECONDS)
        for number, own in enumerate(self.plain.get(partition, ())):
            waits = own.state is ChunkState.WAITING and own.available_at <= self.now
            ran_out = own.state is ChunkState.LEASED and own.leased_until <= self.now
            if ran_out and own.attempts >= ATTEMPTS:
                own.state, own.error = ChunkState.DEAD, LEASE_RAN_OUT
            elif waits or ran_out:
                own.state = ChunkState.LEASED
                own.token += 1
                own.attempts += 1
                own.leased_until = self.now + round(LEASE_SECONDS * 1e6)
                assert found == Lease(partition, number, own.token)
                self.leases.append(found)
                return
        assert found is None

    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        if self.leases:
            lease = data.draw(st.sampled_from(self.leases))
            own = self.held(lease)
            if own is None:
                with pytest.raises(LeaseLost):
                    self.queue.renew(lease, LEASE_SECONDS)
                return
            self.queue.renew(lease, LEASE_SECONDS)
            own.leased_until = self.now + round(LEASE_SECONDS * 1e6)

    @rule(data=st.data(), failures=st.dictionaries(st.sampled_from("ab"), st.integers(1, 3)))
    def acknowledge(self, data: st.DataObject, failures: dict[str, int]) -> None:
        if self.leases:
            lease = data.draw(st.sampled_from(self.leases))
            own = self.held(lease)
            if own is None:
                with pytest.raises(LeaseLost):
                    self.queue.acknowledge(lease, failures)
                return
            self.queue.acknowledge(lease, failures)
            own.state, own.failures = ChunkState.DONE, failures

    @rule(data=st.data(), pause_seconds=st.sampled_from([0.0, 5.0]))
    def fail(self, data: st.DataObject, pause_seconds: float) -> None:
        if self.leases:
            lease = data.draw(st.sampled_from(self.leases))
            own = self.held(lease)
            if own is None:
                with pytest.raises(LeaseLost):
                    self.queue.fail(lease, "broken", pause_seconds=pause_seconds)
                return
            may_go_on = self.queue.fail(lease, "broken", pause_seconds=pause_seconds)
            own.give_back("broken", self.now + round(pause_seconds * 1e6))
            assert may_go_on == (own.state is ChunkState.WAITING)

    @rule()
    def reclaim(self) -> None:
        held = [
            own
            for chunks in self.plain.values()
            for own in chunks
            if own.state is ChunkState.LEASED
        ]
        assert self.queue.reclaim() == len(held)
        for own in held:
            own.give_back(RECLAIMED, 0)

    @rule()
    def post_again(self) -> None:
        dead = [
            own
            for chunks in self.plain.values()
            for own in chunks
            if own.state is ChunkState.DEAD
        ]
        assert self.queue.post_again() == len(dead)
        for own in dead:
            own.state, own.attempts, own.available_at = ChunkState.WAITING, 0, 0

    @invariant()
    def what_is_told_is_what_is(self) -> None:
        for partition, chunks in self.plain.items():
            states = [own.state for own in chunks]
            assert self.queue.count(partition) == {
                state: states.count(state) for state in set(states)
            }
            assert self.queue.done(partition) == [
                DoneChunk(number, own.pages, own.failures)
                for number, own in enumerate(chunks)
                if own.state is ChunkState.DONE
            ]
        every = [own for chunks in self.plain.values() for own in chunks]
        assert self.queue.find_due() == sorted(
            partition
            for partition, chunks in self.plain.items()
            if any(own.is_due(self.now) for own in chunks)
        )
        assert self.queue.count_held() == sum(
            own.state is ChunkState.LEASED and own.leased_until > self.now for own in every
        )
        assert self.queue.progress() == [
            PartitionProgress(
                partition,
                {state: states.count(state) for state in set(states)},
                sum(own.pages for own in chunks),
                sum(own.pages for own in chunks if own.state is ChunkState.DONE),
                sum(
                    sum(own.failures.values()) for own in chunks if own.state is ChunkState.DONE
                ),
            )
            for partition, chunks in sorted(self.plain.items())
            for states in [[own.state for own in chunks]]
        ]
        assert self.queue.dead() == [
            DeadLetter(partition, number, own.attempts, own.error)
            for partition, chunks in sorted(self.plain.items())
            for number, own in enumerate(chunks)
            if own.state is ChunkState.DEAD
        ]


def test_the_queue_keeps_its_rules_whatever_happens_in_whatever_order(
    engine: sa.Engine,
) -> None:
    queues = type("Queues", (Queues,), {"engine": engine})
    run_state_machine_as_test(
        queues,
        settings=settings(
            max_examples=effort(15, 150),
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )


def test_workers_side_by_side_never_hold_one_chunk_at_once(engine: sa.Engine) -> None:
    queue = ChunkQueue(engine, uuid4().hex, attempts=1, now_micros=lambda: 0)
    queue.post("control-000", [1] * 60)
    leases: list[list[Lease]] = [[] for _ in range(4)]

    def work(own: list[Lease]) -> None:
        while (lease := queue.lease("control-000", "worker", LEASE_SECONDS)) is not None:
            own.append(lease)
            queue.acknowledge(lease, {})

    threads = [threading.Thread(target=work, args=(own,)) for own in leases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = sorted(lease.number for own in leases for lease in own)
    assert made == list(range(60))
    assert queue.count("control-000") == {ChunkState.DONE: 60}


def test_the_newest_failed_attempts_are_told_first(engine: sa.Engine) -> None:
    moments = iter(range(100))
    queue = ChunkQueue(engine, uuid4().hex, attempts=9, now_micros=lambda: next(moments))
    queue.post("control-000", [1])
    for error in ("first", "second", "third"):
        lease = queue.lease("control-000", "worker", LEASE_SECONDS)
        assert lease is not None
        queue.fail(lease, error, pause_seconds=0.0)
    told = queue.failed_attempts(2)
    assert [one.error for one in told] == ["third", "second"]
    assert isinstance(told[0], FailedAttempt)
    assert told[1].began_at < told[1].ended_at < told[0].began_at < told[0].ended_at
    assert queue.measure_seconds("control-000") == 0


def test_the_time_of_leases_that_made_something_is_added_up(engine: sa.Engine) -> None:
    now = 0
    queue = ChunkQueue(engine, uuid4().hex, attempts=9, now_micros=lambda: now)
    queue.post("control-000", [1, 1, 1])
    for seconds in (2, 3):
        lease = queue.lease("control-000", "worker", LEASE_SECONDS)
        assert lease is not None
        now += seconds * 1_000_000
        queue.acknowledge(lease, {})
    lease = queue.lease("control-000", "worker", LEASE_SECONDS)
    assert lease is not None
    now += 4_000_000
    queue.fail(lease, "broken", pause_seconds=0.0)
    assert queue.measure_seconds("control-000") == 5


def test_runs_in_one_database_know_nothing_of_each_other(engine: sa.Engine) -> None:
    queues = [
        ChunkQueue(engine, uuid4().hex, attempts=1, now_micros=lambda: 0) for _ in range(2)
    ]
    queues[0].post("control-000", [1, 2])
    assert queues[1].lease("control-000", "worker", LEASE_SECONDS) is None
    assert queues[0].lease("control-000", "worker", LEASE_SECONDS) is not None
    assert queues[1].reclaim() == 0
    assert queues[1].count("control-000") == {}
    queues[1].post("control-000", [1])
    queues[1].remove()
    assert queues[1].progress() == []
    assert queues[0].count_held() == 1
    assert queues[0].find_due() == ["control-000"]
