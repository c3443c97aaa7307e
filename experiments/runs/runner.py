"""Runs an experiment in one process: stacks, pages, metrics, report, teardown.

::

    RUN/run.json                 what was run, and how far it came
    RUN/pages/ RUN/rows/         the pages (see `experiments.generation.pages`)
    RUN/ids/                     texts of ids (see `experiments.generation.external_ids`)
    RUN/results/ RUN/report.html what they show
    RUN/logs/                    logs of the mesh and its processes
"""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from core.atomic_files import atomic_file
from core.errors import PagesimError
from core.moments import format_moment, to_micros
from experiments.errors import ExperimentError, LowPageYield, OutputExists, StackFailed
from experiments.generation.baseline import override_processes, start_mesh
from experiments.generation.external_ids import PageIds, write_external_ids
from experiments.generation.generator import cut_batches, generate_pages
from experiments.generation.lineage import check_lineage
from experiments.generation.outages import Patience
from experiments.generation.pages import ChunkTables, PartitionPath
from experiments.generation.partitions import plan_partitions
from experiments.generation.pinning import pin_snapshot
from experiments.generation.segments import lay_out_facts
from experiments.metrics.compute import compute_metrics, count_page_ids
from experiments.report.document import write_report
from experiments.runs.page_yield import PageYield, find_most_frequent
from experiments.runs.purge import purge_erased_since
from experiments.runs.run_record import (
    PartitionRecord,
    RunRecord,
    RunState,
    write_record,
)
from experiments.scope.known_names import check_names
from experiments.scope.scope import find_candidates, select_pages
from mesh.call.context import use_context
from mesh.serving import connect
from mesh.topology.stack import Stack
from services.assembler.client import AssemblerClient
from timetravel.segments.reader import SegmentReader
from timetravel.store import Store
from timetravel.upkeep.copies import CopyKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    import grpc
    import pyarrow as pa

    from experiments.generation.partitions import Partition
    from experiments.generation.segments import Advance, Progress
    from experiments.spec import ExperimentSpec
    from mesh.client.mesh_process import MeshProcess
    from services.page.model import AssembledPages

_CALL_TIMEOUT_SECONDS = 300.0
_MAKING = "Making pages"
_MILLISECONDS = 3


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
) -> RunResult:
    """Run the experiment and return what it found.

    Args:
        spec: What to run.
        store_url: The store that holds the facts and logged pages.
        directory: Gets everything; must be empty or not there.
        segments: Folder in which snapshots are laid out, for this run and the next.
        snapshot: Append position up to which every variant reads; the newest if left out.
        tls: Directory of certificates with which mesh, services and run prove who they are.
        now: The wall clock, for the record alone.
        progress: Shows how far it is.

    Raises:
        InvalidSpec: It names what the store does not have.
        UnknownSnapshot: The store has not reached it.
        BeforeRetention: The store no longer has what it saw.
        OutputExists: The directory holds something.
        NoLoggedPages: The scope is empty.
        TooFewProfiles: The scope asks for too many.
        LowPageYield: Too many pages could not be made.
        LeakedPages: A page used what was not yet known.
        PagesimError: The store, the mesh or a stack failed.
    """
    with Store.open(store_url) as store:
        upkeep, snapshot = store.newest_upkeep(), pin_snapshot(store, snapshot)
        check_names(spec, store, snapshot)
        candidates = find_candidates(store, spec.scope, snapshot)
        selection = select_pages(candidates, spec.scope, spec.seed, store.as_of(snapshot))
        pages = selection.pages
        partitions = plan_partitions(pages, spec.variants, spec.slices)
        _make_directory(directory)
        store.note_copies(directory, CopyKind.RESULTS, snapshot)
        record = RunRecord(
            experiment=spec.to_document(),
            store=store.url,
            snapshot=snapshot,
            version=version("pagesim"),
            started_at=format_moment(to_micros(now())),
            population=selection.population,
        )
        page_yield = PageYield(partitions, spec.limits.page_yield)
        profile_ids = np.unique(pages.profile_ids)
        page_ids = PageIds.of_store(store, profile_ids)
        run = _Run(
            spec, store_url, segments, directory, progress, record, tls, page_yield, page_ids
        )
        write_record(directory, record)
        try:
            write_external_ids(directory, store, profile_ids, snapshot)
            segment = lay_out_facts(store, snapshot, profile_ids, segments, progress=progress)
            run.make_pages(partitions)
            # Partitions made before an erasure and after it must hold the same pages.
            purge_erased_since(upkeep, directory, store)
            metrics, report = run.measure(store, SegmentReader(segment))
        except BaseException as error:
            reason = str(error) if isinstance(error, PagesimError) else type(error).__name__
            run.end(RunState.FAILED, now(), reason)
            purge_erased_since(upkeep, directory, store)
            raise
        run.end(RunState.FINISHED, now())
        purge_erased_since(upkeep, directory, store)
        return RunResult(directory, run.record, metrics, report)


def _make_directory(directory: Path) -> None:
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise OutputExists(
            f"{directory} holds something already.",
            remedy="Name another --output, or remove it first.",
            field="--output",
        )
    directory.mkdir(parents=True, exist_ok=True)


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
        page_yield: PageYield,
        page_ids: PageIds,
    ) -> None:
        self._spec = spec
        self._store_url = store_url
        self._segments = segments
        self._directory = directory
        self._progress = progress
        self.record = record
        self._tls = tls
        self._page_yield = page_yield
        self._page_ids = page_ids

    def make_pages(self, partitions: tuple[Partition, ...]) -> None:
        """Make the pages of all partitions, a few stacks at a time."""
        with self._progress("Starting the mesh and its baseline", None):
            logs = self._directory / "logs"
            mesh = start_mesh(self._store_url, self._segments, logs, tls=self._tls)
        total = sum(len(partition.pages) for partition in partitions)
        stacks = self._spec.limits.concurrent_stacks
        with (
            mesh,
            connect(mesh.address, tls=mesh.tls) as channel,
            self._progress(_MAKING, total) as advance,
            ThreadPoolExecutor(stacks, thread_name_prefix="partition") as executor,
        ):
            work = [
                executor.submit(self._make_partition, mesh, channel, partition, advance)
                for partition in partitions
            ]
            try:
                for done in as_completed(work):
                    self.record = self.record.add(done.result())
                    write_record(self._directory, self.record)
            except BaseException:
                executor.shutdown(wait=False, cancel_futures=True)
                mesh.close()  # calls under way end at once, so no thread is waited for long
                raise

    def measure(self, store: Store, reader: SegmentReader) -> tuple[pa.Table, Path]:
        """Measure the pages, write the report, and return both."""
        description = self.record.describe(self._directory)
        total = count_page_ids(description.measured)
        with self._progress("Measuring pages", total) as advance:
            metrics = compute_metrics(description.measured, store, reader, advance=advance)
        with self._progress("Writing the report", None):
            return metrics, write_report(description, store)

    def end(self, state: RunState, moment: datetime, reason: str = "") -> None:
        """Record how the run ended."""
        ended_at = format_moment(to_micros(moment))
        self.record = replace(self.record, state=state, reason=reason, ended_at=ended_at)
        write_record(self._directory, self.record)

    def _make_partition(
        self,
        mesh: MeshProcess,
        channel: grpc.Channel,
        partition: Partition,
        advance: Advance,
    ) -> PartitionRecord:
        started = time.monotonic()
        stack = self._stack_of(partition)
        path = PartitionPath(
            self._directory, self._spec.name, partition.variant.name, partition.partition_id
        )
        with (
            mesh.service.lease_stack(stack),
            use_context(stack.context),
        ):
            try:
                self._write_pages(mesh, channel, stack, partition, path, advance)
            except LowPageYield:
                raise
            except ExperimentError as error:
                mesh.check()
                raise StackFailed(
                    f"Stack {stack.stack_id}: {error.problem}", remedy=error.remedy
                ) from error
        reasons = self._page_yield.reasons_of(partition)
        return PartitionRecord(
            partition_id=partition.partition_id,
            variant=partition.variant.name,
            as_of=format_moment(partition.as_of_micros),
            pages=len(partition.pages),
            failures=reasons.total(),
            reason=find_most_frequent(reasons)[0],
            seconds=round(time.monotonic() - started, _MILLISECONDS),
        )

    def _write_pages(
        self,
        mesh: MeshProcess,
        channel: grpc.Channel,
        stack: Stack,
        partition: Partition,
        path: PartitionPath,
        advance: Advance,
    ) -> None:
        limits = self._spec.limits
        assembler = AssemblerClient(channel, timeout_seconds=_CALL_TIMEOUT_SECONDS)
        patience = Patience.with_stack(
            mesh, stack, lambda text: advance(0, description=self._describe_progress(text))
        )
        batches = (
            (chunk, batch)
            for chunk in partition.chunks(limits.batch_pages)
            for batch in cut_batches(chunk.pages, limits.batch_pages)
        )
        tables, waiting = ChunkTables(self._page_ids), 0
        for chunk, keys, pages in generate_pages(
            assembler, batches, limits.requests_in_flight, patience
        ):
            check_lineage(pages, self._spec.known_by_micros, self._page_ids)
            self._page_yield.count(partition, len(keys), _find_reasons(pages))
            tables.add(keys, pages)
            waiting += len(keys)
            if waiting == len(chunk.pages):
                tables.write(path, chunk.number)
                tables, waiting = ChunkTables(self._page_ids), 0
            advance(len(keys), description=self._describe_progress(""))

    def _describe_progress(self, waiting_for: str) -> str:
        failures = self._page_yield.failures
        return waiting_for or (f"{_MAKING}, {failures} failed" if failures else _MAKING)

    def _stack_of(self, partition: Partition) -> Stack:
        overlay = partition.variant.configuration
        overlay_file = self._directory / "overlays" / f"{partition.variant.name}.json"
        if overlay:
            # Partitions of a variant write the same text, side by side.
            text = json.dumps(overlay, indent=2, ensure_ascii=False)
            overlay_file.parent.mkdir(exist_ok=True)
            with atomic_file(overlay_file) as unfinished:
                unfinished.write_text(text, encoding="utf-8")
        return Stack(
            stack_id=partition.stack_id,
            as_of_micros=partition.as_of_micros,
            known_by_micros=self._spec.known_by_micros,
            snapshot=self.record.snapshot,
            overrides=override_processes(overlay, overlay_file),
            variant=partition.variant.name,
        )


def _find_reasons(pages: AssembledPages) -> list[str]:
    return [f"{failure.code.name}: {failure.message}" for failure in pages.failures]
