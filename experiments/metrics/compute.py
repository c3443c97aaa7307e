"""Measures the pages of a run and compares its variants.

Pages are taken in chunks of whole page ids, so that a page and its reference are together
and memory does not grow with the run.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import ibis
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.atomic_files import atomic_file
from experiments.metrics.measured_pages import read_pages
from experiments.metrics.measuring import Measuring
from experiments.metrics.options import MeasuredRun, MetricOptions
from experiments.metrics.values import PAGE_METRICS_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ibis.backends.duckdb import Backend

    from timetravel.store import Store

METRICS_FILE = "results/metrics.parquet"
PAGE_METRICS_FILE = "results/page_metrics.parquet"


def compute_metrics(
    run: MeasuredRun,
    store: Store,
    *,
    options: MetricOptions | None = None,
    advance: Callable[[int], None] = lambda _pages: None,
) -> pa.Table:
    """Write the metrics of a run, and return those of `METRICS_FILE`.

    Args:
        run: What is measured.
        store: Facts and logged pages.
        options: What is measured, and in how large pieces.
        advance: Told how many page ids are done; `count_page_ids` says of how many.

    Returns:
        Records as in `comparison.METRICS_SCHEMA`.

    Raises:
        NothingToMeasure: The run has no pages.
    """
    with _duckdb() as connection:
        measuring = Measuring(connection, run, store, options or MetricOptions())
        target = run.directory / PAGE_METRICS_FILE
        target.parent.mkdir(exist_ok=True)
        with (
            atomic_file(target) as unfinished,
            pq.ParquetWriter(unfinished, PAGE_METRICS_SCHEMA) as writer,
        ):
            for page_ids in measuring.chunks():
                writer.write_table(measuring.measure(page_ids))
                advance(len(page_ids))
        results = measuring.compare(connection.read_parquet(target))
    with atomic_file(run.directory / METRICS_FILE) as unfinished:
        pq.write_table(results, unfinished)
    return results


def count_page_ids(run: MeasuredRun) -> int:
    """Return how many different pages a run asked for: profiles at moments.

    Raises:
        NothingToMeasure: None was made.
    """
    count: int = pc.count_distinct(read_pages(run.directory, run.variants)["page_id"]).as_py()
    return count


@contextmanager
def _duckdb() -> Iterator[Backend]:
    connection = ibis.duckdb.connect()
    try:
        yield connection
    finally:
        connection.disconnect()
