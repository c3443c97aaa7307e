"""Runs an experiment in one process: stacks, pages, metrics, report, teardown.

A run that was stopped goes on when it is started again with the same directory.

::

    RUN/run.json                 what was run, and how far it came
    RUN/requests/ RUN/queue.db   what is to be made (see `experiments.runs.beginning`)
    RUN/pages/ RUN/rows/         the pages (see `experiments.generation.pages`)
    RUN/ids/                     texts of ids (see `experiments.generation.external_ids`)
    RUN/results/ RUN/report.html what they show
    RUN/logs/                    logs of the mesh and its processes
"""

from __future__ import annotations

import os
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import structlog

from core.errors import PagesimError
from core.moments import format_moment, to_micros
from experiments.errors import StackFailed
from experiments.generation.baseline import start_mesh
from experiments.generation.external_ids import PageIds, write_external_ids
from experiments.generation.partitions import plan_partitions
from experiments.generation.segments import lay_out_facts
from experiments.notifications import Ended, Started, Troubled
from experiments.queue.held_leases import HeldLeases
from experiments.queue.schema import ChunkState
from experiments.report.answers import make_headline
from experiments.report.findings import Findings
from experiments.runs.beginning import ATTEMPTS, begin_run
from experiments.runs.chunk_work import PAUSE_SECONDS
from experiments.runs.measurement import RunMeasurement, write_run_report
from experiments.runs.page_making import RunWork
from experiments.runs.page_yield import PageYield
from experiments.runs.purge import purge_erased_since
from experiments.runs.requests import find_profiles
from experiments.runs.run_record import (
    PartitionRecord,
    RunRecord,
    RunState,
    write_record,
)
from mesh.serving import connect
from timetravel.segments.reader import SegmentReader
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from pathlib import Path

    import grpc
    import pyarrow as pa

    from experiments.generation.pages import PartitionPath
    from experiments.generation.partitions import Partition, Slice
    from experiments.generation.segments import Advance, Progress
    from experiments.notifications import Notifier
    from experiments.notifications.events import Event
    from experiments.queue.chunk_queue import ChunkQueue
    from experiments.report.description import VariantYield
    from experiments.spec import ExperimentSpec
    from mesh.client.mesh_process import MeshProcess

# Longer than a chunk may take with the outages that it may wait for: no other worker waits.
_LEASE_SECONDS = 600.0
_TO_BE_MADE = {ChunkState.WAITING, ChunkState.LEASED}
_MAKING = "Making pages"
_MILLISECONDS = 3

_log = structlog.get_logger("experiments.runs")


@dataclass(frozen=True, slots=True)
class RunResult:
    """Say what a run has found.

    Args:
        directory: Where everything is.
        record: What was run.
        metrics: Records as in `experiments.metrics.comparison.METRICS_SCHEMA`.
        report: The HTML page.
    """

    directory: Path
    record: RunRecord
    metrics: pa.Table
    report: Path


def run_experiment(
    spec: ExperimentSpec,
    store_url: str,
    directory: Path,
    *,
    segments: Path,
    snapshot: int | None = None,
    tls: Path | None = None,
    now: Callable[[], datetime],
    progress: Progress,
    notifier: Notifier,
) -> RunResult:
    """Run the experiment and return what it found.

    Args:
        spec: What to run.
        store_url: The store that holds the facts and logged pages.
        directory: Gets everything; not there, empty, or of the same run that was stopped.
        segments: Folder in which snapshots are laid out, for this run and the next.
        snapshot: Append position up to which every variant reads; the newest if left out.
        tls: Directory of certificates with which mesh, services and run prove who they are.
        now: The wall clock, for the record alone.
        progress: Shows how far it is.
        notifier: Tells the owners; closed at the end.

    Raises:
        InvalidSpec: It names what the store does not have.
        UnknownSnapshot: The store has not reached it.
        BeforeRetention: The store no longer has what it saw.
        OutputExists: The directory holds something else.
        RunUnderWay: Another process makes the run.
        NoLoggedPages: The scope is empty.
        TooFewProfiles: The scope asks for too many.
        LowPageYield: Too many pages could not be made.
        LeakedPages: A page used what was not yet known.
        PagesimError: The store, the mesh or a stack failed.
    """
    with (
        notifier,
        Store.open(store_url) as store,
        begin_run(spec, store, directory, snapshot=snapshot, now=now) as (begun, queue),
    ):
        snapshot, upkeep = begun.record.snapshot, begun.record.upkeep
        partitions = plan_partitions(begun.slices, spec.variants)
        profile_ids = find_profiles(begun.slices)
        run = _Run(
            spec,
            store_url,
            segments,
            directory,
            progress,
            begun.record,
            tls,
            queue,
            partitions,
            PageIds.of_store(store, profile_ids),
            notifier,
        )
        if begun.goes_on:
            with progress("Going on with the run where it was stopped", None):
                pass
        run.tell(Started)
        try:
            write_external_ids(directory, store, profile_ids, snapshot)
            segment = lay_out_facts(store, snapshot, profile_ids, segments, progress=progress)
            with RunMeasurement(
                begun.record.describe(directory).measured,
                {one.number: run.find_paths(one) for one in begun.slices},
                sum(map(len, begun.slices)),
                store,
                SegmentReader(segment),
                profile_ids,
            ) as measurement:
                run.make_pages(measurement.note_made)
                metrics = measurement.finish(upkeep, progress)
            report = write_run_report(run.record, directory, store, progress=progress)
        except BaseException as error:
            reason = _explain(error)
            # First, as it writes no file: a full disk ends runs, too.
            run.tell(partial(Ended, failed=True, reason=reason))
            run.end(RunState.FAILED, now(), reason)
            purge_erased_since(upkeep, directory, store)
            raise
        run.end(RunState.FINISHED, now())
        purge_erased_since(upkeep, directory, store)
        figures = describe_figures(metrics, run.record.yields)
        run.tell(partial(Ended, report=str(report), figures=figures))
        return RunResult(directory, run.record, metrics, report)


def _explain(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "It was interrupted."
    return str(error) if isinstance(error, PagesimError) else type(error).__name__


def describe_figures(metrics: pa.Table, yields: Iterable[VariantYield]) -> tuple[str, ...]:
    """Return what a run has found in a few lines: its answer, and whose pages failed."""
    failed = (one.sentence for one in yields if one.failures)
    return (make_headline(Findings.of(metrics)), *failed)


class _Run:
    """One run under way: what is known of it so far."""

    def __init__(
        self,
        spec: ExperimentSpec,
        store_url: str,
        segments: Path,
        directory: Path,
        progress: Progress,
        record: RunRecord,
        tls: Path | None,
        queue: ChunkQueue,
        partitions: tuple[Partition, ...],
        page_ids: PageIds,
        notifier: Notifier,
    ) -> None:
        self._spec = spec
        self._store_url = store_url
        self._segments = segments
        self._directory = directory
        self._progress = progress
        self.record = record
        self._tls = tls
        self._queue = queue
        self._partitions = partitions
        self._page_yield = PageYield(partitions, spec.limits.page_yield)
        worker = f"{socket.gethostname()}/{os.getpid()}"
        self._work = RunWork(
            spec,
            directory,
            record.snapshot,
            HeldLeases(queue, worker, _LEASE_SECONDS),
            self._page_yield,
            page_ids,
        )
        self._notifier = notifier
        self._pages = sum(map(len, partitions))

    def tell(self, event: Callable[[str, str, int, int], Event]) -> None:
        """Tell the owners of an event, which is made of what is known of the run."""
        self._notifier.tell(
            event(self._spec.name, str(self._directory), self._pages, self._page_yield.failures)
        )

    def find_paths(self, one: Slice) -> tuple[PartitionPath, ...]:
        """Return where the pages of a slice are written, control's first."""
        return tuple(
            self._work.find_path(partition)
            for partition in self._partitions
            if partition.slice is one
        )

    def make_pages(self, note_made: Callable[[str, str], None]) -> None:
        """Make the pages of all partitions that lack any, a few stacks at a time.

        Args:
            note_made: Told of the variant and the slice of each partition that is done.
        """
        for partition in self._partitions:
            self._queue.post(partition.stack_id, map(len, partition.slice.chunks))
        done = sum(self._count_done(partition) for partition in self._partitions)
        for partition in self._partitions:
            self._note_done(partition, seconds=0.0)
            if self.record.has(partition):
                note_made(partition.variant.name, partition.partition_id)
        lacking = [one for one in self._partitions if not self.record.has(one)]
        if not lacking:
            return
        with self._progress("Starting the mesh and its baseline", None):
            logs = self._directory / "logs"
            mesh = start_mesh(self._store_url, self._segments, logs, tls=self._tls)
        stacks = self._spec.limits.concurrent_stacks
        with (
            mesh,
            connect(mesh.address, tls=mesh.tls) as channel,
            self._progress(_MAKING, self._pages) as advance,
            ThreadPoolExecutor(stacks, thread_name_prefix="partition") as executor,
        ):
            advance(done)
            work = {
                executor.submit(self._make_partition, mesh, channel, partition, advance): (
                    partition
                )
                for partition in lacking
            }
            try:
                for made in as_completed(work):
                    partition = work[made]
                    self._note_done(partition, seconds=made.result())
                    note_made(partition.variant.name, partition.partition_id)
            except BaseException:
                executor.shutdown(wait=False, cancel_futures=True)
                mesh.close()  # calls under way end at once, so no thread is waited for long
                raise

    def end(self, state: RunState, moment: datetime, reason: str = "") -> None:
        """Record how the run ended."""
        ended_at = format_moment(to_micros(moment))
        self.record = replace(self.record, state=state, reason=reason, ended_at=ended_at)
        write_record(self._directory, self.record)

    def _count_done(self, partition: Partition) -> int:
        """Count the pages of chunks that were done before; a low yield of theirs counts."""
        pages = 0
        for chunk in self._queue.done(partition.stack_id):
            # Of members who were erased since, too: their failures are among those counted.
            self._page_yield.count(partition, chunk.pages, Counter(chunk.failures))
            pages += len(partition.slice.chunks[chunk.number])
        return pages

    def _note_done(self, partition: Partition, *, seconds: float) -> None:
        """Record a partition, if it is done and not recorded yet."""
        chunks = self._queue.done(partition.stack_id)
        if len(chunks) < len(partition.slice.chunks) or self.record.has(partition):
            return
        self.record = self.record.add(
            PartitionRecord.of(partition, chunks, round(seconds, _MILLISECONDS))
        )
        write_record(self._directory, self.record)

    def _make_partition(
        self,
        mesh: MeshProcess,
        channel: grpc.Channel,
        partition: Partition,
        advance: Advance,
    ) -> float:
        """Make the chunks of a partition that wait; return how many seconds that took."""
        started = time.monotonic()
        failures_in_a_row = 0
        while True:
            before = len(self._queue.done(partition.stack_id))
            try:
                self._work.make_due_chunks(
                    partition,
                    mesh,
                    channel,
                    advance=lambda pages: advance(
                        pages, description=self._describe_progress("")
                    ),
                    tell=lambda text: advance(0, description=self._describe_progress(text)),
                )
            except StackFailed as error:
                mesh.check()
                has_progressed = len(self._queue.done(partition.stack_id)) > before
                failures_in_a_row = 0 if has_progressed else failures_in_a_row + 1
                if self._is_given_up(partition) or failures_in_a_row >= ATTEMPTS:
                    raise StackFailed(
                        f"Stack {partition.stack_id} failed {ATTEMPTS} times, at last with "
                        f"this: {error.problem}",
                        remedy=error.remedy,
                    ) from error
                _log.warning("stack_failed", stack=partition.stack_id, reason=error.problem)
                reason = f"Stack {partition.stack_id}: {error.problem}"
                self.tell(partial(Troubled, reason=reason))
            if not self._is_unfinished(partition):
                return time.monotonic() - started
            time.sleep(PAUSE_SECONDS)

    def _is_given_up(self, partition: Partition) -> bool:
        return any(one.partition == partition.stack_id for one in self._queue.dead())

    def _is_unfinished(self, partition: Partition) -> bool:
        return bool(self._queue.count(partition.stack_id).keys() & _TO_BE_MADE)

    def _describe_progress(self, waiting_for: str) -> str:
        failures = self._page_yield.failures
        return waiting_for or (f"{_MAKING}, {failures} failed" if failures else _MAKING)
