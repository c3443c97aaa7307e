"""Removes erased profiles from the files of runs and validations.

What was measured stays as it is: shares and means over many pages, of which some are gone.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.atomic_files import atomic_file, remove_unfinished
from experiments.runs.run_record import RECORD_FILE, RunState, read_record
from timetravel.errors import BeforeRetention

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from core.arrays import Int64Array
    from timetravel.store import Store

_PROFILE: Final = "profile_id"
_REPORT: Final = "report.html"
_PAGE_METRICS: Final = "results/page_metrics.parquet"


def count_records(directory: Path, profile_ids: Int64Array) -> int:
    """Return how many records about profiles a run or a validation has written."""
    return sum(
        int(np.isin(pq.ParquetFile(path).read([_PROFILE])[_PROFILE], profile_ids).sum())
        for path in _tables(directory)
    )


def purge_results(directory: Path, profile_ids: Int64Array, store: Store) -> int:
    """Rewrite the files of a run or a validation without some profiles; return how many.

    Logs go, as their messages may name anybody; the report is written again, for it shows
    pages. A run that is not over does this by itself once more when it is.

    Args:
        directory: What `pagesim run` or `pagesim validate` wrote.
        profile_ids: Whom to leave out.
        store: For the report: titles, and pages that were logged.
    """
    # What a killed process left unfinished is nobody's, and may hold anything. What is still
    # written belongs to a run that takes out the erased by itself.
    unfinished = remove_unfinished(directory)
    rewritten = [path for path in _tables(directory) if _rewrite(path, profile_ids)]
    if not rewritten:
        return unfinished
    shutil.rmtree(directory / "logs", ignore_errors=True)
    report = directory / _REPORT
    if report.is_file():
        report.unlink()
        rewritten.append(report)
        with suppress(BeforeRetention):  # then nobody can write it again
            _write_report(directory, store)
    return len(rewritten) + unfinished


def purge_erased_since(upkeep: int, directory: Path, store: Store) -> bool:
    """Take out who was erased while a run was under way, too late to stop their pages.

    Returns:
        Whether anybody was.

    Args:
        upkeep: The newest when the run began to read.
        directory: What it has written.
        store: That it read.
    """
    erased = store.erased_profiles(after=upkeep)
    if len(erased):
        purge_results(directory, erased, store)
    return len(erased) > 0


def _tables(directory: Path) -> Iterator[Path]:
    """Yield the files that say of whom each record is."""
    for path in sorted(directory.rglob("*.parquet")):
        if _PROFILE in pq.read_schema(path).names:
            yield path


def _rewrite(path: Path, profile_ids: Int64Array) -> bool:
    table = pq.ParquetFile(path).read()
    stays = pc.invert(pc.is_in(table[_PROFILE], pa.array(profile_ids)))
    if pc.all(stays).as_py() in {True, None}:
        return False
    compression = pq.read_metadata(path).row_group(0).column(0).compression
    with atomic_file(path) as unfinished:
        pq.write_table(table.filter(stays), unfinished, compression=compression)
    return True


def _write_report(directory: Path, store: Store) -> None:
    if not (directory / RECORD_FILE).is_file():
        return
    record = read_record(directory)
    if record.state is RunState.FINISHED and _measured_pages(directory):
        # Charts and statistics take seconds to load, and most erasures need none.
        document = import_module("experiments.report.document")
        document.write_report(record.describe(directory), store)


def _measured_pages(directory: Path) -> int:
    measured = directory / _PAGE_METRICS
    return pq.read_metadata(measured).num_rows if measured.is_file() else 0
