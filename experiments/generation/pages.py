"""Pages on disk: two flat Parquet tables per chunk of a partition, written whole or not at all.

::

    RUN/pages/experiment=E/variant=V/partition=P/chunk-00000.parquet   one record per page
    RUN/rows/experiment=E/variant=V/partition=P/chunk-00000.parquet    one record per page row

File names depend on the work alone, so making a chunk again replaces its files. Pages stand in
the order asked, and chunks are cut at the same places in every variant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.atomic_files import atomic_file
from core.moments import EARLIEST_MICROS
from services.page.ranges import starts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from core.arrays import Int64Array
    from experiments.generation.external_ids import PageIds
    from experiments.scope.page_keys import PageKeys
    from services.page.model import AssembledPages

_CHUNK: Final = "chunk-"
_MOMENT = pa.timestamp("us", "UTC")

# Scores hardly repeat: their bytes, split, take a third less room and half the time.
_REPEATING: Final = ["page_id", "row_id", "row_type", "title", "videos.list.element"]
_SPLIT: Final = dict.fromkeys(("scores.list.element", "row_score"), "BYTE_STREAM_SPLIT")

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


@dataclass(frozen=True, slots=True)
class PartitionPath:
    """Name the files of one partition of a run."""

    directory: Path
    experiment: str
    variant: str
    partition: str

    def folder(self, table: str) -> Path:
        """Return where a table ("pages" or "rows") of the partition is kept."""
        return (
            self.directory
            / table
            / f"experiment={self.experiment}"
            / f"variant={self.variant}"
            / f"partition={self.partition}"
        )

    def files(self, table: str) -> list[Path]:
        """Return the files of a table that are there, in the order of the chunks."""
        return sorted(self.folder(table).glob(f"{_CHUNK}*.parquet"))

    def chunk(self, table: str, number: int) -> Path:
        """Return where a chunk of a table is kept."""
        return self.folder(table) / f"{_CHUNK}{number:05d}.parquet"


class ChunkTables:
    """Gather the batches of one chunk as they come.

    Args:
        page_ids: Names the pages.
    """

    def __init__(self, page_ids: PageIds) -> None:
        self._page_ids = page_ids
        self._pages = [PAGES_SCHEMA.empty_table()]
        self._rows = [ROWS_SCHEMA.empty_table()]

    def add(self, keys: PageKeys, assembled: AssembledPages) -> None:
        """Take in what was asked with what came back, each as long as the other."""
        page_ids = self._page_ids.of_keys(keys)
        self._pages.append(_page_records(keys, page_ids, assembled))
        self._rows.append(_row_records(page_ids, assembled))

    def write(self, path: PartitionPath, number: int) -> None:
        """Write the chunk of a number of a partition."""
        tables = {"pages": pa.concat_tables(self._pages), "rows": pa.concat_tables(self._rows)}
        targets = {name: path.chunk(name, number) for name in tables}
        for target in targets.values():
            target.parent.mkdir(parents=True, exist_ok=True)
        # The rows are there first: whoever finds pages finds their rows too.
        with (
            atomic_file(targets["pages"]) as pages_file,
            atomic_file(targets["rows"]) as rows_file,
        ):
            pq.write_table(
                tables["pages"],
                pages_file,
                row_group_size=max(len(tables["pages"]), 1),
                compression="zstd",
            )
            pq.write_table(
                tables["rows"],
                rows_file,
                row_group_size=max(len(tables["rows"]), 1),
                compression="zstd",
                use_dictionary=_REPEATING,
                column_encoding=_SPLIT,
            )


def _page_records(keys: PageKeys, page_ids: pa.Array, assembled: AssembledPages) -> pa.Table:
    requests, newest = assembled.requests, assembled.newest_known_at
    failures: list[str | None] = [None] * len(keys)
    for failure in assembled.failures:
        failures[failure.index] = failure.reason
    geometries = [
        (one.rows, one.columns, one.viewport_rows, one.viewport_columns) if one else (None,) * 4
        for one in assembled.geometries
    ]
    devices = pa.array(requests.devices, pa.string())
    return pa.table(
        [
            page_ids,
            requests.profile_ids,
            pa.array(requests.as_of_micros).cast(_MOMENT),
            pc.if_else(pc.equal(devices, ""), keys.devices.dictionary_decode(), devices),
            keys.countries.dictionary_decode(),
            keys.strata.dictionary_decode(),
            pa.array(assembled.digests, pa.string()),
            pa.array(newest, mask=newest == EARLIEST_MICROS).cast(_MOMENT),
            assembled.row_counts.astype(np.int32),
            *(pa.array(column, pa.int32()) for column in zip(*geometries, strict=True)),
            pa.array(failures, pa.string()),
        ],
        schema=PAGES_SCHEMA,
    )


def _row_records(page_ids: pa.Array, assembled: AssembledPages) -> pa.Table:
    counts = assembled.row_counts
    page_of_row = np.repeat(np.arange(len(counts)), counts)
    row_index = np.arange(len(page_of_row)) - starts(counts)[page_of_row]
    labels, label_of_row = assembled.labels, assembled.row_indexes
    label_columns = (
        [label.row_id for label in labels],
        [label.type.label for label in labels],
        [label.title for label in labels],
    )
    ends = starts(assembled.video_counts).astype(np.int32)
    return pa.table(
        [
            page_ids.take(pa.array(page_of_row)),
            assembled.requests.profile_ids[page_of_row],
            row_index.astype(np.int32),
            *(_take(column, label_of_row) for column in label_columns),
            pa.ListArray.from_arrays(ends, assembled.video_ids),
            pa.ListArray.from_arrays(ends, assembled.scores),
            assembled.row_scores,
        ],
        schema=ROWS_SCHEMA,
    )


def _take(texts: Sequence[str], places: Int64Array) -> pa.Array:
    return pa.array(texts, pa.string()).take(pa.array(places))
