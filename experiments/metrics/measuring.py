"""Measures chunks of pages, and then compares the variants."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import ibis
import pyarrow as pa
import pyarrow.compute as pc

from core.moments import LAST_MICROS
from experiments.metrics.comparison import OVERALL, adjust, compare_coverage, compare_variants
from experiments.metrics.definitions.coverage import coverage
from experiments.metrics.definitions.definition import LOGGED
from experiments.metrics.definitions.joins import attach
from experiments.metrics.definitions.registry import METRICS
from experiments.metrics.definitions.tables import MetricInputs, lay_out
from experiments.metrics.facts import (
    describe_videos,
    find_licensed,
    find_played_next,
    read_limits,
)
from experiments.metrics.logged import (
    LOGGED_PAGES_SCHEMA,
    LOGGED_ROWS_SCHEMA,
    SHOWN_SCHEMA,
    lay_out_logged,
)
from experiments.metrics.measured_pages import read_pages, read_rows
from experiments.metrics.values import measure_pages

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import ibis.expr.types as ir
    from ibis.backends.duckdb import Backend

    from experiments.metrics.options import MeasuredRun, MetricOptions
    from timetravel.store import Store

_LOGGED_PER_READ = 2_000
_SHOWN_VIDEOS = pa.schema(
    [("variant", pa.string()), ("stratum", pa.string()), ("video_id", pa.int64())]
)


class Measuring:
    """Hold what measuring a run needs from one chunk to the next.

    Args:
        connection: DuckDB; gets the tables of logged pages and of videos shown.
        run: What is measured.
        store: Facts and logged pages.
        options: What belongs to a page, and the size of chunks.
    """

    def __init__(
        self, connection: Backend, run: MeasuredRun, store: Store, options: MetricOptions
    ) -> None:
        self._connection = connection
        self._run = run
        self._options = options
        self._pages = read_pages(run.directory, run.variants)
        self._rows = read_rows(connection, run.directory)
        self._as_of = store.as_of(run.snapshot, run.known_by)
        self._hindsight = store.as_of(run.snapshot, LAST_MICROS)
        for name, schema in (
            ("logged_pages", LOGGED_PAGES_SCHEMA),
            ("logged_rows", LOGGED_ROWS_SCHEMA),
            ("shown_videos", _SHOWN_VIDEOS),
        ):
            connection.create_table(name, schema.empty_table(), temp=True)
        self._shown = self._read_logged_pages(store)

    def chunks(self) -> Iterator[pa.Array]:
        """Yield the page ids of each chunk, ascending."""
        page_ids = pc.unique(self._pages["page_id"])
        for start in range(0, len(page_ids), self._options.pages_per_chunk):
            yield page_ids.slice(start, self._options.pages_per_chunk)

    def measure(self, page_ids: pa.Array) -> pa.Table:
        """Return the values of the pages of a chunk, as in `values.PAGE_METRICS_SCHEMA`."""
        inputs = self._inputs(page_ids)
        tables = lay_out(self._connection, inputs)
        return measure_pages(tables, inputs.pages, inputs.references)

    def compare(self, values: ir.Table) -> pa.Table:
        """Return the results, as in `comparison.METRICS_SCHEMA`.

        Args:
            values: What `measure` returned, for all chunks.
        """
        control, *treatments = self._run.variants
        among_variants = [(control, None), *((treatment, control) for treatment in treatments)]
        comparisons = [*among_variants, (control, LOGGED)]
        results = compare_variants(values, comparisons)
        last = int(pc.max(self._pages["as_of_micros"]).as_py())
        size = len(self._as_of.catalogue(last, ()).video_ids)
        shown = coverage(self._connection.table("shown_videos"), size).to_pyarrow()
        covered = compare_coverage(shown, results, among_variants)
        return adjust(_in_order(pa.concat_tables([results, covered]), self._run.variants))

    def _inputs(self, page_ids: pa.Array) -> MetricInputs:
        own = self._pages.filter(pc.is_in(self._pages["page_id"], value_set=page_ids))
        first, last = page_ids[0].as_py(), page_ids[-1].as_py()
        logged = self._between("logged_pages", first, last).to_pyarrow()
        pages = pa.concat_tables([own, _describe_logged(logged, own)])
        rows = ibis.union(
            self._rows.filter(self._rows.page_id.between(first, last)),
            self._between("logged_rows", first, last),
        )
        rows = self._connection.create_table("chunk_rows", rows, temp=True, overwrite=True)
        placed = self._connection.create_table("chunk_pages", pages, temp=True, overwrite=True)
        shown = _shown_videos(placed, rows, "as_of_micros", "country").to_pyarrow()
        self._note_shown(placed, rows)
        moments = pages.group_by(["page_id", "profile_id", "as_of_micros"]).aggregate([])
        return MetricInputs(
            pages=pages,
            rows=rows,
            references=self._run.references,
            videos=describe_videos(
                self._as_of, shown.group_by(["as_of_micros", "video_id"]).aggregate([])
            ),
            licences=find_licensed(self._as_of, shown),
            profiles=read_limits(self._as_of, moments),
            engagement=find_played_next(
                self._hindsight, moments, self._shown_to(moments), self._options.engagement
            ),
        )

    def _between(self, name: str, first: str, last: str) -> ir.Table:
        table = self._connection.table(name)
        return table.filter(table.page_id.between(first, last))

    def _shown_to(self, moments: pa.Table) -> pa.Table:
        profiles = moments["profile_id"].combine_chunks().unique()
        return self._shown.filter(pc.is_in(self._shown["profile_id"], value_set=profiles))

    def _note_shown(self, pages: ir.Table, rows: ir.Table) -> None:
        seen = _shown_videos(pages, rows, "variant", "stratum")
        seen = ibis.union(
            seen.filter(seen.stratum != OVERALL),
            seen.mutate(stratum=ibis.literal(OVERALL)),
            distinct=True,
        )
        known = self._connection.table("shown_videos")
        self._connection.insert("shown_videos", seen.anti_join(known, seen.columns))

    def _read_logged_pages(self, store: Store) -> pa.Table:
        """Put logged pages into tables, and return when any page was shown to whom."""
        moments = self._pages["as_of_micros"]
        first, last = pc.min(moments).as_py(), pc.max(moments).as_py()
        found = store.logged_pages(
            since=first,
            until=last + self._options.engagement.horizon_micros + 1,
            snapshot=self._run.snapshot,
            with_features=False,
        )
        page_ids = _page_ids(self._pages)
        shown = []
        while batch := list(islice(found, _LOGGED_PER_READ)):
            laid_out = lay_out_logged(batch, page_ids)
            for name, table in (
                ("logged_pages", laid_out.pages),
                ("logged_rows", laid_out.rows),
            ):
                self._connection.insert(name, table)
            shown.append(laid_out.shown)
        return pa.concat_tables([SHOWN_SCHEMA.empty_table(), *shown])


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


def _page_ids(pages: pa.Table) -> dict[tuple[int, int, str], str]:
    columns = (pages[name].to_pylist() for name in ("profile_id", "as_of_micros", "device"))
    keys = zip(*columns, strict=True)
    return dict(zip(keys, pages["page_id"].to_pylist(), strict=True))


def _describe_logged(logged: pa.Table, own: pa.Table) -> pa.Table:
    """Return logged pages with what their simulated partners say of profile and stratum."""
    places = pc.index_in(logged["page_id"], value_set=own["page_id"].combine_chunks())
    partners = own.take(places)
    columns = {
        name: logged[name] if name in logged.column_names else partners[name]
        for name in own.column_names
    }
    return pa.table(columns, schema=own.schema)


def _shown_videos(pages: ir.Table, rows: ir.Table, *columns: str) -> ir.Table:
    """Return the distinct videos of pages, with the named columns of the pages."""
    placed = attach(rows.select("variant", "page_id", "videos"), pages, ["variant", "page_id"])
    return placed.select(*columns, video_id=placed.videos.unnest()).distinct()
