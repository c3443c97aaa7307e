"""Reads the pages of a run for measuring, slice by slice, the same pages of every variant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from experiments.generation.pages import PartitionPath
from experiments.metrics.errors import MismatchedPages, NothingToMeasure
from experiments.metrics.inputs.encoding import GEOMETRY, PageTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from core.arrays import BoolArray, Int64Array

_PAGE_COLUMNS: Final = (
    "page_id",
    "profile_id",
    "as_of",
    "device",
    "country",
    "stratum",
    "page_digest",
    "row_count",
    *GEOMETRY,
    "failure",
)
_ROW_COLUMNS: Final = ("row_id", "row_type", "title", "videos")
_DICTIONARIES: Final = ["device", "country", "stratum", "row_id", "row_type", "title"]
_ROWS_PER_READ: Final = 16_384


@dataclass(frozen=True, slots=True, eq=False)
class VariantPages:
    """Hold what one variant made of the pages of a slice.

    Args:
        is_made: bool[pages]; False for a page that failed.
        digests: string[pages].
        table: The pages.
    """

    is_made: BoolArray
    digests: pa.Array
    table: PageTable


@dataclass(frozen=True, slots=True, eq=False)
class PageSlice:
    """Hold some pages of a partition in every variant.

    Args:
        page_ids: string[pages].
        profile_ids: int64[pages].
        as_of: int64[pages], in microseconds.
        devices: string[pages].
        countries: string[pages].
        strata: string[pages].
        variants: What each made.
    """

    page_ids: pa.Array
    profile_ids: Int64Array
    as_of: Int64Array
    devices: pa.Array
    countries: pa.Array
    strata: pa.Array
    variants: Mapping[str, VariantPages]


def find_partitions(directory: Path, variants: Sequence[str]) -> list[list[PartitionPath]]:
    """Return the partitions of a run in order, each once per variant.

    Raises:
        NothingToMeasure: There is none.
        MismatchedPages: A variant lacks a partition.
    """
    found = (directory / "pages").glob("experiment=*/variant=*/partition=*/*.parquet")
    names = {tuple(_value(part) for part in path.parts[-4:-1]) for path in found}
    slices = sorted(
        {(experiment, number) for experiment, own, number in names if own in variants}
    )
    if not slices:
        raise NothingToMeasure(
            f"{directory} holds no page of {', '.join(variants)}.",
            remedy="Run the experiment first: pagesim run EXPERIMENT.yaml",
            field="run",
        )
    for experiment, number in slices:
        for variant in variants:
            if (experiment, variant, number) not in names:
                raise _mismatched(f"{variant} has no partition {number}")
    return [
        [PartitionPath(directory, experiment, variant, number) for variant in variants]
        for experiment, number in slices
    ]


def count_pages(partitions: Sequence[Sequence[PartitionPath]]) -> int:
    """Return how many pages each variant was asked for."""
    return sum(
        pq.read_metadata(file).num_rows
        for paths in partitions
        for file in paths[0].files("pages")
    )


def read_profile_ids(partitions: Sequence[Sequence[PartitionPath]]) -> Sequence[int]:
    """Return whose pages a run asked for, ascending."""
    columns = [
        pq.ParquetFile(file).read(["profile_id"])
        for paths in partitions
        for file in paths[0].files("pages")
    ]
    profile_ids: list[int] = pa.concat_tables(columns)["profile_id"].unique().to_pylist()
    return sorted(profile_ids)


def read_slices(paths: Sequence[PartitionPath], pages: int) -> Iterator[PageSlice]:
    """Yield a partition in slices of so many pages.

    Args:
        paths: The partition of each variant, control first.
        pages: In each slice but the last.

    Raises:
        MismatchedPages: The variants do not hold the same pages.
    """
    readers = {path.variant: _PartitionReader(path) for path in paths}
    while True:
        made = {variant: reader.take(pages) for variant, reader in readers.items()}
        control = made[paths[0].variant][0]
        for path in paths:
            if not made[path.variant][0]["page_id"].equals(control["page_id"]):
                raise _mismatched(
                    f"{path.variant} and {paths[0].variant} hold different pages in "
                    f"partition {path.partition}"
                )
        if not len(control):
            return
        yield PageSlice(
            page_ids=_column(control, "page_id"),
            profile_ids=control["profile_id"].to_numpy(),
            as_of=control["as_of"].cast(pa.int64()).to_numpy(),
            devices=_column(control, "device"),
            countries=_column(control, "country"),
            strata=_column(control, "stratum"),
            variants={
                variant: _variant_pages(own, rows) for variant, (own, rows) in made.items()
            },
        )


class _PartitionReader:
    """Read the pages and rows of one variant, some pages after the other."""

    def __init__(self, path: PartitionPath) -> None:
        self._pages = _Records(path.files("pages"), _PAGE_COLUMNS)
        self._rows = _Records(path.files("rows"), _ROW_COLUMNS)

    def take(self, count: int) -> tuple[pa.Table, pa.Table]:
        """Return the next pages, fewer at the end, and their rows."""
        pages = self._pages.take(count)
        rows = int(pages["row_count"].to_numpy().sum())
        return pages, self._rows.take(rows)


class _Records:
    """Read Parquet files one after the other, any number of records at a time."""

    def __init__(self, paths: Sequence[Path], columns: Sequence[str]) -> None:
        self._batches = _read_batches(paths, columns)
        self._held = _schema_of(paths[0], columns).empty_table()

    def take(self, count: int) -> pa.Table:
        """Return the next records, fewer at the end."""
        parts, held = [self._held], len(self._held)
        while held < count and (batch := next(self._batches, None)) is not None:
            parts.append(pa.Table.from_batches([batch]))
            held += len(batch)
        table = pa.concat_tables(parts)
        self._held = table.slice(count)
        return table.slice(0, count)


def _read_batches(paths: Sequence[Path], columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    for path in paths:
        with _open(path, columns) as file:
            yield from file.iter_batches(_ROWS_PER_READ, columns=list(columns))


def _schema_of(path: Path, columns: Sequence[str]) -> pa.Schema:
    with _open(path, columns) as file:
        return pa.schema([file.schema_arrow.field(name) for name in columns])


def _open(path: Path, columns: Sequence[str]) -> pq.ParquetFile:
    dictionaries = [name for name in _DICTIONARIES if name in columns]
    return pq.ParquetFile(path, read_dictionary=dictionaries)


def _variant_pages(pages: pa.Table, rows: pa.Table) -> VariantPages:
    # A page that failed has no geometry.
    geometry = [pages[name].fill_null(1).to_numpy() for name in GEOMETRY]
    return VariantPages(
        is_made=pages["failure"].is_null().to_numpy(),
        digests=_column(pages, "page_digest"),
        table=PageTable(
            pages["row_count"].to_numpy().astype(np.int64), np.stack(geometry, axis=1), rows
        ),
    )


def _column(table: pa.Table, name: str) -> pa.Array:
    """Return a column of texts in one piece."""
    return table[name].cast(pa.string()).combine_chunks()


def _value(part: str) -> str:
    return part.partition("=")[2]


def _mismatched(what: str) -> MismatchedPages:
    return MismatchedPages(
        f"{what}: variants are compared page by page.",
        remedy="Run the experiment again, into another directory.",
        field="run",
    )
