"""Runs metrics over nested plain pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import ibis
import pyarrow as pa
import pytest

from experiments.metrics.definitions.definition import Family
from experiments.metrics.definitions.registry import PAGE_METRICS
from experiments.metrics.definitions.tables import MetricInputs, lay_out

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ibis.backends.duckdb import Backend

    from tests.unit.experiments.metrics.plain_metrics import PlainFacts, PlainPage


class Measure(Protocol):
    def __call__(
        self,
        pages: Sequence[PlainPage],
        facts: PlainFacts,
        references: Mapping[str, str] = ...,
        families: Sequence[Family] = ...,
    ) -> dict[str, dict[tuple[str, ...], float]]: ...


@pytest.fixture(scope="session")
def connection() -> Iterator[Backend]:
    connection = ibis.duckdb.connect()
    yield connection
    connection.disconnect()


@pytest.fixture(scope="session")
def measure(connection: Backend) -> Measure:
    """Return values by metric and digest (for similarity two digests), without nulls."""

    def run(
        pages: Sequence[PlainPage],
        facts: PlainFacts,
        references: Mapping[str, str] | None = None,
        families: Sequence[Family] = tuple(Family),
    ) -> dict[str, dict[tuple[str, ...], float]]:
        tables = lay_out(connection, plain_inputs(connection, pages, facts, references or {}))
        values: dict[str, dict[tuple[str, ...], float]] = {}
        for metric in PAGE_METRICS:
            if metric.family not in families:
                continue
            records = metric.definition(tables).to_pyarrow().to_pylist()
            keys = ["page_digest"]
            if metric.family is Family.SIMILARITY:
                keys.append("reference_digest")
            values[metric.name] = {
                tuple(record[key] for key in keys): record["value"]
                for record in records
                if record["value"] is not None
            }
        return values

    return run


def plain_inputs(
    connection: Backend,
    pages: Sequence[PlainPage],
    facts: PlainFacts,
    references: Mapping[str, str],
) -> MetricInputs:
    shape = ["geometry_rows", "geometry_columns", "viewport_rows", "viewport_columns"]
    page_records = [
        {
            "variant": page.variant,
            "page_id": page.page_id,
            "profile_id": page.profile_id,
            "as_of_micros": page.as_of,
            "country": page.country,
            "stratum": page.stratum,
            "page_digest": page.digest,
            **dict(zip(shape, page.geometry, strict=True)),
        }
        for page in pages
    ]
    row_records = [
        {
            "variant": page.variant,
            "page_id": page.page_id,
            "row_index": index,
            "row_id": row.row_id,
            "row_type": row.row_type,
            "title": row.row_id.title(),
            "videos": list(row.videos),
        }
        for page in pages
        for index, row in enumerate(page.rows)
    ]
    moments = sorted({page.as_of for page in pages})
    text, whole = pa.string(), pa.int64()
    return MetricInputs(
        pages=pa.Table.from_pylist(
            page_records,
            pa.schema(
                {
                    "variant": text,
                    "page_id": text,
                    "profile_id": whole,
                    "as_of_micros": whole,
                    "country": text,
                    "stratum": text,
                    "page_digest": text,
                    **dict.fromkeys(shape, pa.int32()),
                }
            ),
        ),
        rows=connection.create_table(
            "plain_rows",
            pa.Table.from_pylist(
                row_records,
                pa.schema(
                    {
                        "variant": text,
                        "page_id": text,
                        "row_index": pa.int32(),
                        "row_id": text,
                        "row_type": text,
                        "title": text,
                        "videos": pa.list_(whole),
                    }
                ),
            ),
            temp=True,
            overwrite=True,
        ),
        references=references,
        videos=pa.Table.from_pylist(
            [
                {
                    "as_of_micros": moment,
                    "video_id": video_id,
                    "genres": list(video.genres),
                    "plays": video.plays,
                    "added_at_micros": video.added_at,
                    "maturity": video.maturity,
                }
                for moment in moments
                for video_id, video in facts.videos.items()
            ],
            pa.schema(
                {
                    "as_of_micros": whole,
                    "video_id": whole,
                    "genres": pa.list_(text),
                    "plays": pa.float64(),
                    "added_at_micros": whole,
                    "maturity": whole,
                }
            ),
        ),
        licences=pa.Table.from_pylist(
            [
                {"as_of_micros": moment, "country": country, "video_id": video_id}
                for moment in moments
                for country, video_ids in facts.licences.items()
                for video_id in sorted(video_ids)
            ],
            pa.schema({"as_of_micros": whole, "country": text, "video_id": whole}),
        ),
        profiles=pa.Table.from_pylist(
            [
                {
                    "profile_id": profile_id,
                    "as_of_micros": moment,
                    "maturity_limit": facts.limits.get(profile_id),
                }
                for profile_id, moment in sorted({(p.profile_id, p.as_of) for p in pages})
            ],
            pa.schema({"profile_id": whole, "as_of_micros": whole, "maturity_limit": whole}),
        ),
        engagement=pa.Table.from_pylist(
            [
                {"page_id": page_id, "video_id": video_id}
                for page_id, video_ids in facts.played.items()
                for video_id in sorted(video_ids)
            ],
            pa.schema({"page_id": text, "video_id": whole}),
        ),
    )
