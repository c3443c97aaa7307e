"""Pages on disk: two flat Parquet tables per partition, written whole or not at all.

::

    RUN/pages/experiment=E/variant=V/partition=P/part-00000.parquet   one record per page
    RUN/rows/experiment=E/variant=V/partition=P/part-00000.parquet    one record per page row

File names depend on the work alone, so making a partition again replaces its files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from core.atomic_files import atomic_file
from core.moments import EARLIEST_MICROS, format_moment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from experiments.scope.scope import PageKey
    from services.page.model import AssembledPages

_MOMENT = pa.timestamp("us", "UTC")

PAGES_SCHEMA = pa.schema(
    [
        ("page_id", pa.string()),
        ("profile_id", pa.int64()),
        ("as_of", _MOMENT),
        ("device", pa.string()),
        ("country", pa.string()),
        ("stratum", pa.string()),
        ("page_digest", pa.string()),
        ("newest_known_at", _MOMENT),
        ("row_count", pa.int32()),
        ("geometry_rows", pa.int32()),
        ("geometry_columns", pa.int32()),
        ("viewport_rows", pa.int32()),
        ("viewport_columns", pa.int32()),
        ("failure", pa.string()),
    ]
)
"""One record per page; `failure` is null for a page that was made."""

ROWS_SCHEMA = pa.schema(
    [
        ("page_id", pa.string()),
        ("profile_id", pa.int64()),
        ("row_index", pa.int32()),
        ("row_id", pa.string()),
        ("row_type", pa.string()),
        ("title", pa.string()),
        ("videos", pa.list_(pa.int64())),
        ("scores", pa.list_(pa.float32())),
        ("row_score", pa.float32()),
    ]
)
"""One record per row of a page, in the order of the page."""


def page_id_of(profile_id: int, as_of_micros: int) -> str:
    """Return the id of a page: the same in every variant."""
    return f"{profile_id}@{format_moment(as_of_micros)}"


@dataclass(frozen=True, slots=True)
class PartitionPath:
    """Name the files of one partition of a run."""

    directory: Path
    experiment: str
    variant: str
    partition: str

    def file(self, table: str) -> Path:
        """Return where a table ("pages" or "rows") of the partition is kept."""
        return (
            self.directory
            / table
            / f"experiment={self.experiment}"
            / f"variant={self.variant}"
            / f"partition={self.partition}"
            / "part-00000.parquet"
        )


def write_partition(
    path: PartitionPath, batches: Sequence[tuple[Sequence[PageKey], AssembledPages]]
) -> None:
    """Write the pages of a partition.

    Args:
        path: Where.
        batches: What was asked with what came back, each as long as the other.
    """
    pages: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for keys, assembled in batches:
        for index, key in enumerate(keys):
            pages.append(_page_record(key, assembled, index))
            rows.extend(_row_records(key, assembled, index))
    pages.sort(key=lambda page: page["page_id"])
    rows.sort(key=lambda row: (row["page_id"], row["row_index"]))
    # The rows go first: whoever finds pages finds their rows too.
    for kind, records, schema in (("rows", rows, ROWS_SCHEMA), ("pages", pages, PAGES_SCHEMA)):
        target = path.file(kind)
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(target) as unfinished:
            pq.write_table(
                pa.Table.from_pylist(records, schema), unfinished, compression="zstd"
            )


def _page_record(key: PageKey, assembled: AssembledPages, index: int) -> dict[str, Any]:
    geometry = assembled.geometries[index]
    newest = int(assembled.newest_known_at[index])
    failure = next(
        (candidate for candidate in assembled.failures if candidate.index == index), None
    )
    return {
        "page_id": page_id_of(key.profile_id, key.as_of_micros),
        "profile_id": key.profile_id,
        "as_of": key.as_of_micros,
        "device": assembled.requests.devices[index] or key.device,
        "country": key.country,
        "stratum": key.stratum,
        "page_digest": assembled.digests[index],
        "newest_known_at": None if newest == EARLIEST_MICROS else newest,
        "row_count": int(assembled.row_counts[index]),
        "geometry_rows": geometry.rows if geometry else None,
        "geometry_columns": geometry.columns if geometry else None,
        "viewport_rows": geometry.viewport_rows if geometry else None,
        "viewport_columns": geometry.viewport_columns if geometry else None,
        "failure": f"{failure.code.name}: {failure.message}" if failure else None,
    }


def _row_records(key: PageKey, assembled: AssembledPages, index: int) -> list[dict[str, Any]]:
    page_id = page_id_of(key.profile_id, key.as_of_micros)
    rows = assembled.row_range(index)
    records = []
    for place, row in enumerate(range(rows.start, rows.stop)):
        label = assembled.labels[int(assembled.row_indexes[row])]
        videos = assembled.video_range(row)
        records.append(
            {
                "page_id": page_id,
                "profile_id": key.profile_id,
                "row_index": place,
                "row_id": label.row_id,
                "row_type": label.type.label,
                "title": label.title,
                "videos": assembled.video_ids[videos],
                "scores": assembled.scores[videos],
                "row_score": float(assembled.row_scores[row]),
            }
        )
    return records
