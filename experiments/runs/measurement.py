"""Measures the pages of a run: while they are made, or any time later."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Self

import numpy as np

from experiments.errors import RunNotFound
from experiments.generation.segments import lay_out_facts
from experiments.generation.stored_pages import find_profile_ids
from experiments.metrics.compute import compute_metrics, count_page_ids, measure_partitions
from experiments.report.document import write_report
from experiments.runs.purge import purge_erased_since
from experiments.runs.run_record import read_record
from timetravel.segments.reader import SegmentReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    import pyarrow as pa

    from core.arrays import Int64Array
    from experiments.generation.pages import PartitionPath
    from experiments.generation.segments import Advance, Progress
    from experiments.metrics.options import MeasuredRun
    from experiments.runs.run_record import RunRecord
    from timetravel.store import Store

_MEASURING = "Measuring pages"


class RunMeasurement:
    """Measure each slice of a run, in order, once every variant has made its pages of it.

    Measuring needs no stack, so it goes on beside the pages of later slices. Leaving the block
    gives up what is not measured yet.

    Args:
        run: What is measured.
        slices: Of each slice, where the pages of every variant will be, control first.
        pages: Of all slices, in one variant.
        store: That it read.
        reader: Reads facts at the snapshot of the run.
        profile_ids: int64, whose pages they are, ascending.
    """

    def __init__(
        self,
        run: MeasuredRun,
        slices: Mapping[str, Sequence[PartitionPath]],
        pages: int,
        store: Store,
        reader: SegmentReader,
        profile_ids: Int64Array,
    ) -> None:
        self._run = run
        self._slices = slices
        self._pages = pages
        self._store = store
        self._reader = reader
        self._profile_ids: list[int] = profile_ids.tolist()
        self._lacking = {number: {one.variant for one in own} for number, own in slices.items()}
        self._has_changed = threading.Condition()
        self._is_given_up = False
        self._measured = 0
        self._advance: Advance | None = None
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="measurement")

    def __enter__(self) -> Self:
        self._metrics = self._executor.submit(self._measure)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._has_changed:
            self._is_given_up = True
            self._has_changed.notify()
        self._executor.shutdown()

    def note_made(self, variant: str, number: str) -> None:
        """Note that a variant's pages of a slice are all written."""
        with self._has_changed:
            self._lacking[number].discard(variant)
            self._has_changed.notify()

    def finish(self, upkeep: int, progress: Progress) -> pa.Table:
        """Wait until all is measured, and return the results.

        Args:
            upkeep: The newest erasure of the store when the run began to read. After another
                one, the erased are taken out of the pages and all is measured again.
            progress: Shows how far it is.

        Raises:
            NothingToMeasure: No page could be made.
            MismatchedPages: The variants do not hold the same pages.
        """
        with progress(_MEASURING, self._pages) as advance:
            with self._has_changed:
                advance(self._measured)
                self._advance = advance
            wait([self._metrics])
        if purge_erased_since(upkeep, self._run.directory, self._store):
            # Slices that were measured before and after hold the pages of different members.
            return measure_all(self._run, self._store, self._reader, progress=progress)
        return self._metrics.result()

    def _measure(self) -> pa.Table:
        return measure_partitions(
            self._run,
            self._store,
            self._reader,
            self._take_made(),
            self._profile_ids,
            advance=self._note_measured,
        )

    def _take_made(self) -> Iterator[Sequence[PartitionPath]]:
        """Yield the paths of each slice in order, when it is made."""
        for number, paths in self._slices.items():
            lacking = self._lacking[number]
            with self._has_changed:
                while lacking and not self._is_given_up:
                    self._has_changed.wait()
                if self._is_given_up:
                    raise CancelledError
            yield paths

    def _note_measured(self, pages: int) -> None:
        with self._has_changed:
            self._measured += pages
            if self._advance is not None:
                self._advance(pages)


def measure_all(
    run: MeasuredRun, store: Store, reader: SegmentReader, *, progress: Progress
) -> pa.Table:
    """Measure all pages of a run that are written, and return the results.

    Raises:
        NothingToMeasure: It has no pages.
        MismatchedPages: Its variants do not hold the same pages.
    """
    with progress(_MEASURING, count_page_ids(run)) as advance:
        return compute_metrics(run, store, reader, advance=advance)


def write_run_report(
    record: RunRecord, directory: Path, store: Store, *, progress: Progress
) -> Path:
    """Write the report of a run that was measured, and return where it is."""
    with progress("Writing the report", None):
        return write_report(record.describe(directory), store)


def measure_again(
    directory: Path, store: Store, segments: Path, *, progress: Progress
) -> tuple[pa.Table, Path]:
    """Measure the pages that a run has made, with the metrics of this version of pagesim.

    Args:
        directory: Of the run; all its pages were made.
        store: That it read.
        segments: Folder in which snapshots are laid out.
        progress: Shows how far it is.

    Raises:
        RunNotFound: The directory holds no run of the store.
        NothingToMeasure: It has no pages.
        MismatchedPages: Its variants do not hold the same pages.
        BeforeRetention: The store no longer has what it saw.
    """
    record = read_record(directory)
    if record.store != store.url:
        raise RunNotFound(
            f"{directory} holds a run of the store {record.store}, not of {store.url}.",
            remedy="Name that store.",
            field="--store",
        )
    measured = record.describe(directory).measured
    count_page_ids(measured)  # says if there is nothing to measure
    profile_ids = np.array(find_profile_ids(directory), np.int64)
    segment = lay_out_facts(store, record.snapshot, profile_ids, segments, progress=progress)
    metrics = measure_all(measured, store, SegmentReader(segment), progress=progress)
    return metrics, write_run_report(record, directory, store, progress=progress)
