"""Makes the chunks of a partition: leases them, writes their pages, and acknowledges them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

import structlog

from core.errors import PagesimError
from experiments.errors import LeaseLost, StackFailed
from experiments.generation.generator import cut_batches, generate_pages
from experiments.generation.lineage import check_lineage
from experiments.generation.pages import ChunkTables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from experiments.generation.external_ids import PageIds
    from experiments.generation.generator import Assembler
    from experiments.generation.outages import Patience
    from experiments.generation.pages import PartitionPath
    from experiments.generation.partitions import Partition
    from experiments.queue.chunk_queue import Lease
    from experiments.queue.held_leases import HeldLeases
    from experiments.runs.page_yield import PageYield
    from experiments.scope.page_keys import PageKeys
    from experiments.spec.model import Limits
    from services.page.model import AssembledPages

_log = structlog.get_logger("experiments.runs")

_STOPPED: Final = "its experiment was stopped"
PAUSE_SECONDS: Final = 1.0
"""After which a chunk that a stack failed to make may be tried again."""


class Leave(Enum):
    """Say how far a worker may go on with a partition."""

    GO_ON = auto()
    END_CHUNKS = auto()
    """Chunks under way are ended, and no other is begun."""
    STOP = auto()
    """Chunks under way are given back."""


class _Stopped(Exception):
    """The worker has to stop."""


def _go_on() -> Leave:
    return Leave.GO_ON


@dataclass(frozen=True, slots=True)
class PartitionWork:
    """What a worker of a partition works with.

    Attributes:
        partition: What is made.
        path: Where it is written.
        leases: The chunks that the worker holds.
        page_yield: Judges the failures.
        page_ids: Names the pages.
        limits: How much is asked for at once.
        known_by_micros: What facts are read by; None means each page's as-of.
        ask_leave: Asked before each batch of pages.
    """

    partition: Partition
    path: PartitionPath
    leases: HeldLeases
    page_yield: PageYield
    page_ids: PageIds
    limits: Limits
    known_by_micros: int | None
    ask_leave: Callable[[], Leave] = _go_on


@dataclass(slots=True)
class _OpenChunk:
    """A chunk under way: what of it has come back so far."""

    lease: Lease
    pages: PageKeys
    tables: ChunkTables
    tried: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


def make_chunks(
    work: PartitionWork,
    assembler: Assembler,
    patience: Patience,
    advance: Callable[[int], None],
) -> None:
    """Make the chunks of a partition that wait, until none does.

    Batches go on from one chunk to the next without a gap. Chunks that are under way when
    the stack fails are given back to the queue.

    Args:
        work: What is made.
        assembler: Called with the context of the partition's stack.
        patience: Waits while the mesh restarts what died.
        advance: Told how many more pages were tried; fewer than none if chunks are given back.

    Raises:
        StackFailed: What died was not restarted in time, or is given up.
        LowPageYield: Too many pages could not be made.
        LeakedPages: A page used what was not yet known.
    """
    under_way: dict[int, _OpenChunk] = {}
    try:
        made = generate_pages(
            assembler,
            _lease_batches(work, under_way, advance),
            work.limits.requests_in_flight,
            patience,
        )
        for chunk, keys, pages in made:
            check_lineage(pages, work.known_by_micros, work.page_ids)
            _take_in(work, chunk, keys, pages)
            if chunk.tried == len(chunk.pages):
                _finish(work, under_way.pop(chunk.lease.number), advance)
            advance(len(keys))
    except (PagesimError, _Stopped) as error:
        for chunk in under_way.values():
            if isinstance(error, StackFailed | _Stopped):
                _take_back(work, chunk, advance)
            work.leases.fail(chunk.lease, str(error), pause_seconds=PAUSE_SECONDS)
        if isinstance(error, PagesimError):
            raise
    finally:
        for chunk in under_way.values():
            work.leases.drop(chunk.lease)


def _lease_batches(
    work: PartitionWork, under_way: dict[int, _OpenChunk], advance: Callable[[int], None]
) -> Iterator[tuple[_OpenChunk, PageKeys]]:
    """Yield the batches of chunks, each leased when its first batch is to be asked for."""
    while work.ask_leave() is Leave.GO_ON:
        # A clock that jumps, as after a suspended machine wakes, must not end what we hold.
        work.leases.renew()
        lease = work.leases.take(work.partition.stack_id)
        if lease is None:
            return
        if lease.number in under_way:  # the clock has jumped since it was renewed
            under_way[lease.number].lease = lease
            continue
        pages = work.partition.slice.chunks[lease.number]
        chunk = _OpenChunk(lease, pages, ChunkTables(work.page_ids))
        if not len(pages):  # all its members were erased
            _finish(work, chunk, advance)
            continue
        under_way[lease.number] = chunk
        for keys in cut_batches(pages, work.limits.batch_pages):
            if work.ask_leave() is Leave.STOP:
                raise _Stopped(_STOPPED)
            yield chunk, keys


def _take_in(
    work: PartitionWork, chunk: _OpenChunk, keys: PageKeys, pages: AssembledPages
) -> None:
    chunk.tables.add(keys, pages)
    chunk.tried += len(keys)
    reasons = Counter(one.reason for one in pages.failures)
    chunk.reasons.update(reasons)
    work.page_yield.count(work.partition, len(keys), reasons)


def _finish(work: PartitionWork, chunk: _OpenChunk, advance: Callable[[int], None]) -> None:
    chunk.tables.write(work.path, chunk.lease.number)
    try:
        work.leases.acknowledge(chunk.lease, chunk.reasons)
    except LeaseLost as error:  # whoever has it now makes the same files
        _log.warning("lease_lost", partition=chunk.lease.partition, reason=error.problem)
        _take_back(work, chunk, advance)


def _take_back(work: PartitionWork, chunk: _OpenChunk, advance: Callable[[int], None]) -> None:
    work.page_yield.take_back(work.partition, chunk.tried, chunk.reasons)
    advance(-chunk.tried)
