"""Measures the pages of a run and compares its variants.

Pages are taken in slices, so that a page and its reference are together and memory does not
grow with the run.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.atomic_files import atomic_file
from experiments.metrics.comparison import (
    Comparison,
    adjust,
    compare_coverage,
    compare_variants,
)
from experiments.metrics.definitions.definition import LOGGED
from experiments.metrics.definitions.registry import METRICS
from experiments.metrics.errors import NothingToMeasure
from experiments.metrics.inputs.slices import (
    count_pages,
    find_partitions,
    read_profile_ids,
    read_slices,
)
from experiments.metrics.measuring import Measuring, PreparedSlice
from experiments.metrics.options import MeasuredRun, MetricOptions
from experiments.metrics.values import PAGE_METRICS_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from experiments.generation.pages import PartitionPath
    from timetravel.queries.as_of_reader import AsOfReader
    from timetravel.segments.reader import SegmentReader
    from timetravel.store import Store

METRICS_FILE = "results/metrics.parquet"
_MOST_NAMED_PROFILES: Final = 5_000
PAGE_METRICS_FILE = "results/page_metrics.parquet"
NORMALISED_FILE = "results/metrics_normalised.parquet"


def compute_metrics(
    run: MeasuredRun,
    store: Store,
    reader: AsOfReader | SegmentReader,
    *,
    options: MetricOptions | None = None,
    advance: Callable[[int], None] = lambda _pages: None,
) -> pa.Table:
    """Write the metrics of a run, raw and normalised, and return those of `METRICS_FILE`.

    Args:
        run: What is measured.
        store: Holds the logged pages.
        reader: Reads facts at the snapshot of the run.
        options: What is measured, and in how large pieces.
        advance: Told how many page ids are done; `count_page_ids` says of how many.

    Returns:
        Records as in `comparison.METRICS_SCHEMA`.

    Raises:
        NothingToMeasure: The run has no pages.
        MismatchedPages: Its variants do not hold the same pages.
    """
    partitions = find_partitions(run.directory, run.variants)
    return measure_partitions(
        run,
        store,
        reader,
        partitions,
        read_profile_ids(partitions),
        options=options,
        advance=advance,
    )


def measure_partitions(
    run: MeasuredRun,
    store: Store,
    reader: AsOfReader | SegmentReader,
    partitions: Iterable[Sequence[PartitionPath]],
    profile_ids: Sequence[int],
    *,
    options: MetricOptions | None = None,
    advance: Callable[[int], None] = lambda _pages: None,
) -> pa.Table:
    """Do as `compute_metrics`, with partitions as they come: each when its pages are made.

    Args:
        run: What is measured.
        store: Holds the logged pages.
        reader: Reads facts at the snapshot of the run.
        partitions: In order; of each, where every variant's pages are, control first.
        profile_ids: Whose pages they are.
        options: What is measured, and in how large pieces.
        advance: Told how many page ids are done.
    """
    options = options or MetricOptions()
    measuring = Measuring(
        run,
        store,
        reader,
        profile_ids if len(profile_ids) <= _MOST_NAMED_PROFILES else None,
        options,
    )
    target = run.directory / PAGE_METRICS_FILE
    target.parent.mkdir(exist_ok=True)
    measured = 0
    with (
        atomic_file(target) as unfinished,
        pq.ParquetWriter(unfinished, PAGE_METRICS_SCHEMA) as writer,
    ):
        for pages, table in _measure_slices(measuring, partitions, options.pages_per_slice):
            writer.write_table(table)
            measured += len(table)
            advance(pages)
        if not measured:
            raise NothingToMeasure(
                f"{run.directory} holds no page that could be made.",
                remedy="Look at `failure` of its pages, and run the experiment again.",
                field="run",
            )
    comparison = _compare(run, target, measuring.measure_coverage())
    for file, table in (
        (NORMALISED_FILE, comparison.normalised),
        (METRICS_FILE, comparison.results),
    ):
        with atomic_file(run.directory / file) as unfinished:
            pq.write_table(table, unfinished)
    return comparison.results


def count_page_ids(run: MeasuredRun) -> int:
    """Return how many different pages a run asked for: profiles at moments.

    Raises:
        NothingToMeasure: None was asked for.
    """
    return count_pages(find_partitions(run.directory, run.variants))


def _measure_slices(
    measuring: Measuring, partitions: Iterable[Sequence[PartitionPath]], size: int
) -> Iterator[tuple[int, pa.Table]]:
    """Yield the values of every slice, and of how many pages; one is prepared ahead."""

    def measure(prepared: PreparedSlice) -> tuple[int, pa.Table]:
        return len(prepared.pages.page_ids), measuring.measure(prepared)

    with ThreadPoolExecutor(1, thread_name_prefix="measuring") as worker:
        before: Future[tuple[int, pa.Table]] | None = None
        for paths in partitions:
            for pages in read_slices(paths, size):
                following = worker.submit(measure, measuring.prepare(pages))
                if before is not None:
                    yield before.result()
                before = following
        if before is not None:
            yield before.result()


def _compare(
    run: MeasuredRun, page_metrics: Path, coverage: Mapping[tuple[str, str], float]
) -> Comparison:
    """Return the results, coverage among them."""
    control, *treatments = run.variants
    among_variants = [(control, None), *((treatment, control) for treatment in treatments)]
    comparison = compare_variants(
        page_metrics, [*among_variants, (control, LOGGED)], run.population
    )
    covered = compare_coverage(coverage, comparison.results, among_variants)
    results = pa.concat_tables([comparison.results, covered])
    return Comparison(
        results=adjust(_in_order(results, run.variants)),
        normalised=_in_order(comparison.normalised, run.variants),
    )


def _in_order(results: pa.Table, variants: Sequence[str]) -> pa.Table:
    """Return results by variant, as the run has them, then by metric and stratum."""
    metrics = [metric.name for metric in METRICS]
    places = {
        "variant_place": pc.index_in(results["variant"], value_set=pa.array(variants)),
        "metric_place": pc.index_in(results["metric"], value_set=pa.array(metrics)),
    }
    ordered = results
    for name, place in places.items():
        ordered = ordered.append_column(name, place)
    names = ("variant_place", "reference", "metric_place", "stratum")
    return ordered.sort_by([(name, "ascending") for name in names]).select(results.column_names)
