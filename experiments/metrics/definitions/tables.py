"""Prepares stored pages and facts as the tables that metrics read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import ibis
import pyarrow as pa
import pyarrow.compute as pc

from experiments.metrics.definitions.definition import MetricTables
from experiments.metrics.definitions.joins import attach
from experiments.metrics.definitions.weights import cumulative_agreement, ideal_gains

if TYPE_CHECKING:
    from collections.abc import Mapping

    import ibis.expr.types as ir
    from ibis.backends.duckdb import Backend

GEOMETRY = ["geometry_rows", "geometry_columns", "viewport_rows", "viewport_columns"]
_CONTENT = ["page_digest", "page_id", "profile_id", "as_of_micros", "country", *GEOMETRY]


@dataclass(frozen=True, slots=True, eq=False)
class MetricInputs:
    """Hold what metrics need, before it is laid out. Logged pages stand as one more variant.

    Args:
        pages: variant, page_id, profile_id, as_of_micros, country, stratum, page_digest,
            geometry_rows, geometry_columns, viewport_rows, viewport_columns; made pages only.
        rows: variant, page_id, row_index, row_id, row_type, title, videos.
        references: With what the pages of a variant are compared.
        videos: as_of_micros, video_id, genres, plays, added_at_micros, maturity.
        licences: as_of_micros, country, video_id.
        profiles: profile_id, as_of_micros, maturity_limit.
        engagement: page_id, video_id; distinct.
    """

    pages: pa.Table
    rows: ir.Table
    references: Mapping[str, str]
    videos: pa.Table
    licences: pa.Table
    profiles: pa.Table
    engagement: pa.Table


def lay_out(connection: Backend, inputs: MetricInputs) -> MetricTables:
    """Return the tables of the inputs, as temporary tables of the connection."""

    def store(name: str, table: ir.Table | pa.Table) -> ir.Table:
        return connection.create_table(name, table, temp=True, overwrite=True)

    pages = store("metric_pages", inputs.pages)
    rows = store("metric_rows", content_rows(pages, inputs.rows))
    contents = store("metric_contents", describe_contents(pages, rows))
    cells = store("metric_cells", placements(contents, rows))
    engagement = store("metric_engagement", inputs.engagement)
    return MetricTables(
        contents=contents,
        rows=rows,
        cells=cells,
        pairs=store("metric_pairs", digest_pairs(pages, inputs.references)),
        videos=store("metric_videos", inputs.videos),
        licences=store("metric_licences", inputs.licences),
        profiles=store("metric_profiles", inputs.profiles),
        engagement=engagement,
        depths=store("metric_depths", _depths(rows)),
        ideals=store("metric_ideals", _ideals(inputs.pages, inputs.engagement)),
    )


def content_rows(pages: ir.Table, rows: ir.Table) -> ir.Table:
    """Return the rows of every content once, from the first variant that has it."""
    first = pages.group_by(["page_digest", "page_id"]).agg(variant=pages.variant.min())
    return attach(rows, first, ["variant", "page_id"]).select(
        "page_digest", "row_index", "row_id", "row_type", "title", "videos"
    )


def describe_contents(pages: ir.Table, rows: ir.Table) -> ir.Table:
    """Return one record per content, with what the member sees as text."""
    contents = pages.select(_CONTENT).distinct()
    seen = rows.select(
        "page_digest",
        "row_index",
        text=rows.row_id
        + "\t"
        + rows.title
        + "\t"
        + rows.videos.cast("array<string>").join(","),
    )
    fingerprints = seen.group_by("page_digest").agg(
        fingerprint=seen.text.group_concat("\n", order_by=seen.row_index)
    )
    return attach(contents, fingerprints, ["page_digest"])


def placements(contents: ir.Table, rows: ir.Table) -> ir.Table:
    """Return one record per placed video, with how visible its place is."""
    # Two plain unnests of one projection: with `offset` DuckDB zips lists, many times slower.
    placed = rows.select(
        "page_digest",
        "row_index",
        "row_id",
        video_id=rows.videos.unnest(),
        column_index=ibis.range(0, rows.videos.length(), 1).unnest(),
    )
    placed = attach(placed, contents, ["page_digest"])
    down = ibis.greatest(placed.row_index - placed.viewport_rows + 1, 0)
    across = ibis.greatest(placed.column_index - placed.viewport_columns + 1, 0)
    depth = (placed.row_index + placed.column_index + 2).cast("float64")
    return placed.select(
        "page_digest",
        "page_id",
        "as_of_micros",
        "country",
        "row_index",
        "row_id",
        "column_index",
        "video_id",
        in_viewport=(down == 0) & (across == 0),
        exposure=1.0 / depth.log2(),
        steps=down + across,
    )


def digest_pairs(pages: ir.Table, references: Mapping[str, str]) -> ir.Table:
    """Return the distinct pairs of contents to compare: pages and their references."""
    refers = ibis.memtable(
        {"variant": list(references), "reference": list(references.values())},
        schema={"variant": "string", "reference": "string"},
    )
    compared = pages.select("variant", "page_id", "page_digest")
    compared = attach(compared, refers, ["variant"])
    others = pages.select(
        reference=pages.variant, page_id=pages.page_id, reference_digest=pages.page_digest
    )
    pairs = attach(compared, others, ["reference", "page_id"])
    return pairs.select("page_digest", "reference_digest").distinct()


def _depths(rows: ir.Table) -> pa.Table:
    longest = rows.agg(rows=rows.row_index.max() + 1, videos=rows.videos.length().max())
    record = longest.to_pyarrow().to_pylist()[0]
    weights = cumulative_agreement(max(record["rows"] or 0, record["videos"] or 0))
    return pa.table(
        {"depth": pa.array(range(len(weights)), pa.int64()), "weight": pa.array(weights)}
    )


def _ideals(pages: pa.Table, engagement: pa.Table) -> pa.Table:
    counts = engagement.group_by("page_id").aggregate([("video_id", "count")])
    most = pc.max(counts["video_id_count"]).as_py() or 0
    shapes = pages.group_by(["geometry_rows", "geometry_columns"]).aggregate([])
    parts = [
        pa.table(
            {
                "geometry_rows": pa.array([shape["geometry_rows"]] * most, pa.int32()),
                "geometry_columns": pa.array([shape["geometry_columns"]] * most, pa.int32()),
                "titles": pa.array(range(1, most + 1), pa.int64()),
                "ideal_gain": pa.array(
                    ideal_gains(shape["geometry_rows"], shape["geometry_columns"], most)
                ),
            }
        )
        for shape in shapes.to_pylist()
    ]
    return pa.concat_tables(parts)
