"""Measures the pages of a run and writes its report, once they are made or any time later."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from experiments.errors import RunNotFound
from experiments.generation.segments import lay_out_facts
from experiments.generation.stored_pages import find_profile_ids
from experiments.metrics.compute import compute_metrics, count_page_ids
from experiments.report.document import write_report
from experiments.runs.run_record import read_record
from timetravel.segments.reader import SegmentReader

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from experiments.generation.segments import Progress
    from experiments.runs.run_record import RunRecord
    from timetravel.store import Store


def measure_run(
    record: RunRecord,
    directory: Path,
    store: Store,
    reader: SegmentReader,
    *,
    progress: Progress,
) -> tuple[pa.Table, Path]:
    """Measure the pages of a run, write the report, and return both.

    Args:
        record: Of the run.
        directory: Its directory.
        store: That it read.
        reader: Reads facts at the snapshot of the run.
        progress: Shows how far it is.

    Raises:
        NothingToMeasure: It has no pages.
        MismatchedPages: Its variants do not hold the same pages.
    """
    description = record.describe(directory)
    total = count_page_ids(description.measured)
    with progress("Measuring pages", total) as advance:
        metrics = compute_metrics(description.measured, store, reader, advance=advance)
    with progress("Writing the report", None):
        return metrics, write_report(description, store)


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
    count_page_ids(record.describe(directory).measured)  # says if there is nothing to measure
    profile_ids = np.array(find_profile_ids(directory), np.int64)
    segment = lay_out_facts(store, record.snapshot, profile_ids, segments, progress=progress)
    return measure_run(record, directory, store, SegmentReader(segment), progress=progress)
