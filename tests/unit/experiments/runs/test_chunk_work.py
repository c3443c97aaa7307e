"""Chunks of a partition are made once each, whatever a stack does meanwhile."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import chain, count, repeat
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

import experiments.generation.partitions
from experiments.errors import LeakedPages, LowPageYield, StackFailed
from experiments.generation.external_ids import PageIds
from experiments.generation.outages import Patience, StackHealth
from experiments.generation.pages import PartitionPath
from experiments.generation.partitions import plan_partitions, plan_slices
from experiments.queue.chunk_queue import ChunkQueue, DoneChunk, open_queue_database
from experiments.queue.held_leases import HeldLeases
from experiments.queue.schema import ChunkState
from experiments.runs.chunk_work import Leave, PartitionWork, make_chunks
from experiments.runs.page_yield import PageYield
from experiments.spec import Variant
from experiments.spec.model import Limits
from services.in_process import InProcessAssembler
from tests.support.pages.page_keys import keys_of
from tests.support.pages.page_worlds import DAY, START, make_world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from experiments.queue.chunk_queue import Lease
    from services.page.model import AssembledPages, PageRequests

WORLD = make_world(3)
NOBODY = 4711
LEASE_SECONDS = 600.0
PATIENCE = Patience(StackHealth, wait=lambda _seconds: None)
LIMITS = Limits(batch_pages=2, requests_in_flight=2, page_yield=0.5)


class FailingAssembler:
    """Makes pages in process; the calls of some numbers find no stack."""

    def __init__(self, *failing: int) -> None:
        self._assembler = InProcessAssembler(WORLD.reader())
        self._failing = set(failing)
        self.calls = 0

    def assemble(self, requests: PageRequests) -> AssembledPages:
        self.calls += 1
        if self.calls in self._failing:
            raise StackFailed("Ranking died.", remedy="Look at its log.")
        return self._assembler.assemble(requests)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    opened = open_queue_database(sa.URL.create("sqlite", database=str(tmp_path / "queue.db")))
    yield opened
    opened.dispose()


@pytest.fixture
def plan(
    engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., PartitionWork]:
    """Plan a partition of ten pages in chunks of four, so that three of its pages fail."""
    monkeypatch.setattr(experiments.generation.partitions, "CHUNK_PAGES", 4)

    def plan(
        name: str,
        strangers: tuple[int, ...] = (1, 2, 9),
        jumps_at: int | None = None,
    ) -> PartitionWork:
        members = WORLD.profile_ids
        keys = keys_of(
            (
                START + 20 * DAY + number,
                NOBODY if number in strangers else members[number % len(members)],
                "tv",
            )
            for number in range(10)
        )
        (partition,) = plan_partitions(
            plan_slices(keys, 1, LIMITS.batch_pages), [Variant(name)]
        )
        looks = count()

        def now_micros() -> int:
            look = next(looks)
            jumped = jumps_at is not None and look >= jumps_at
            # No pause outlasts a look at the clock.
            return look * 10_000_000 + jumped * round(2 * LEASE_SECONDS * 1e6)

        queue = ChunkQueue(engine, name, attempts=2, now_micros=now_micros)
        queue.post(partition.stack_id, map(len, partition.slice.chunks))
        return PartitionWork(
            partition=partition,
            path=PartitionPath(tmp_path / name, "trial", "control", "000"),
            leases=HeldLeases(queue, "worker", LEASE_SECONDS),
            page_yield=PageYield([partition], LIMITS.page_yield),
            page_ids=PageIds.by_numbers(),
            limits=LIMITS,
            known_by_micros=None,
        )

    return plan


def make(work: PartitionWork, assembler: FailingAssembler) -> int:
    """Make the chunks that wait; return how many pages are told to be tried."""
    told: list[int] = []
    try:
        make_chunks(work, assembler, PATIENCE, told.append)
    except StackFailed:
        work.leases.queue.reclaim()
    return sum(told)


def written(work: PartitionWork) -> dict[str, bytes]:
    return {
        f"{table}/{file.name}": file.read_bytes()
        for table in ("pages", "rows")
        for file in work.path.files(table)
    }


def reasons_in(work: PartitionWork) -> list[tuple[int, int, list[int]]]:
    return [
        (chunk.number, chunk.pages, list(chunk.failures.values()))
        for chunk in work.leases.queue.done(work.partition.stack_id)
    ]


def test_every_chunk_is_written_and_acknowledged_with_its_failures(
    plan: Callable[..., PartitionWork],
) -> None:
    work = plan("calm")
    assert make(work, FailingAssembler()) == 10
    assert reasons_in(work) == [(0, 4, [2]), (1, 4, []), (2, 2, [1])]
    assert len(written(work)) == 6
    assert work.page_yield.failures == 3


@pytest.mark.parametrize("look", range(24))
def test_a_clock_that_jumps_ends_no_work(plan: Callable[..., PartitionWork], look: int) -> None:
    work = plan("trial", jumps_at=look)
    assert make(work, FailingAssembler()) == 10
    assert work.leases.queue.count(work.partition.stack_id) == {ChunkState.DONE: 3}
    assert work.page_yield.failures == 3


@pytest.mark.parametrize("failing", [1, 2, 3, 4, 5])
def test_what_a_failing_stack_leaves_is_made_by_the_next_to_the_same_bytes(
    plan: Callable[..., PartitionWork], failing: int
) -> None:
    calm, work = plan("calm"), plan("trial")
    make(calm, FailingAssembler())
    assembler = FailingAssembler(failing)
    tried = make(work, assembler)
    assert (
        tried
        == sum(chunk.pages for chunk in work.leases.queue.done(work.partition.stack_id))
        < 10
    )
    assert tried + make(work, assembler) == 10
    assert written(work) == written(calm)
    assert reasons_in(work) == reasons_in(calm)
    assert work.page_yield.failures == calm.page_yield.failures
    assert work.leases.queue.count(work.partition.stack_id) == {ChunkState.DONE: 3}


def test_a_chunk_that_no_stack_can_make_is_a_dead_letter_and_the_others_are_made(
    plan: Callable[..., PartitionWork],
) -> None:
    work = plan("trial")
    make(work, FailingAssembler(3))
    make(work, FailingAssembler(1, 2))
    make(work, FailingAssembler())
    dead = work.leases.queue.dead()
    assert [one.number for one in dead] == [1]
    assert [one.number for one in work.leases.queue.done(work.partition.stack_id)] == [0, 2]


def test_a_chunk_whose_members_were_all_erased_is_done_and_empty(
    plan: Callable[..., PartitionWork],
) -> None:
    work = plan("trial", ())
    first, *others = work.partition.slice.chunks
    object.__setattr__(work.partition.slice, "chunks", (first[:0], *others))
    assert make(work, FailingAssembler()) == 6
    assert work.leases.queue.done(work.partition.stack_id)[0] == DoneChunk(0, 4, {})
    assert len(written(work)) == 6


def test_a_yield_that_is_too_low_ends_the_work(plan: Callable[..., PartitionWork]) -> None:
    work = plan("trial", tuple(range(6)))
    with pytest.raises(LowPageYield):
        make_chunks(work, FailingAssembler(), PATIENCE, lambda _pages: None)


def test_a_page_that_used_the_future_ends_the_work(plan: Callable[..., PartitionWork]) -> None:
    work = plan("trial")
    object.__setattr__(work, "known_by_micros", START)
    with pytest.raises(LeakedPages):
        make_chunks(work, FailingAssembler(), PATIENCE, lambda _pages: None)


def test_what_is_taken_back_was_never_counted(plan: Callable[..., PartitionWork]) -> None:
    work = plan("trial")
    work.page_yield.count(work.partition, 4, Counter({"NOT_FOUND: a": 2}))
    work.page_yield.count(work.partition, 2, Counter())
    work.page_yield.take_back(work.partition, 4, Counter({"NOT_FOUND: a": 2}))
    assert work.page_yield.failures == 0


def test_without_leave_to_go_on_no_other_chunk_is_begun(
    plan: Callable[..., PartitionWork],
) -> None:
    work = plan("trial")
    leave = chain([Leave.GO_ON] * 5, repeat(Leave.END_CHUNKS))
    object.__setattr__(work, "ask_leave", lambda: next(leave))
    assert make(work, FailingAssembler()) == 8
    assert [chunk.number for chunk in work.leases.queue.done(work.partition.stack_id)] == [0, 1]
    object.__setattr__(work, "ask_leave", lambda: Leave.GO_ON)
    assert make(work, FailingAssembler()) == 2


@pytest.mark.parametrize("asked", range(1, 8))
def test_a_worker_that_has_to_stop_gives_back_what_it_has_begun(
    plan: Callable[..., PartitionWork], asked: int
) -> None:
    calm, work = plan("calm"), plan("trial")
    make(calm, FailingAssembler())
    leave = chain([Leave.GO_ON] * asked, repeat(Leave.STOP))
    object.__setattr__(work, "ask_leave", lambda: next(leave))
    tried = make(work, FailingAssembler())
    done = work.leases.queue.done(work.partition.stack_id)
    assert tried == sum(chunk.pages for chunk in done) < 10
    assert work.leases.queue.count_held() == 0
    object.__setattr__(work, "ask_leave", lambda: Leave.GO_ON)
    assert tried + make(work, FailingAssembler()) == 10
    assert written(work) == written(calm)
    assert work.page_yield.failures == calm.page_yield.failures


def test_a_chunk_that_another_worker_has_taken_over_is_counted_by_that_one_alone(
    plan: Callable[..., PartitionWork],
) -> None:
    work = plan("trial")
    object.__setattr__(work, "limits", replace(LIMITS, requests_in_flight=1))
    other = HeldLeases(work.leases.queue, "other", LEASE_SECONDS)
    stack = work.partition.stack_id

    class Thief(FailingAssembler):
        """Has all leases run out and be taken while the first batch is made."""

        def assemble(self, requests: PageRequests) -> AssembledPages:
            if not stolen:
                work.leases.queue.reclaim()
                stolen.append(other.take(stack))
            return super().assemble(requests)

    stolen: list[Lease | None] = []
    assert make(work, Thief()) == 6
    assert work.leases.queue.count(stack) == {ChunkState.DONE: 2, ChunkState.LEASED: 1}
    (lease,) = stolen
    assert lease is not None
    other.acknowledge(lease, {})
    assert work.page_yield.failures == 1
