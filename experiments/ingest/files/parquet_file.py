"""Reads Parquet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from experiments.errors import UnreadableData
from experiments.ingest.files.slices import Numbered, Slice, cut_slices

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class ParquetFile:
    """A Parquet file; a record's line is its number, from 1."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._share = 0.0
        try:
            with pq.ParquetFile(path) as file:
                self._schema = file.schema_arrow
                self._rows_by_group = [
                    file.metadata.row_group(place).num_rows
                    for place in range(file.metadata.num_row_groups)
                ]
        except (pa.ArrowInvalid, OSError) as error:
            raise self._unreadable(error) from error

    def columns(self) -> list[str]:
        """Return the names of all columns."""
        return list(self._schema.names)

    def read(self, names: Sequence[str], start: int, size: int) -> Iterator[Slice]:
        """Yield slices; see `DataFile.read`."""
        schema = pa.schema([self._schema.field(name) for name in names])
        yield from cut_slices(self._read_rows(names, start, size), start, size, schema)

    def line_of(self, number: int) -> int:
        """Return a record's number, from 1."""
        return number + 1

    def bytes_read(self) -> int:
        """Return how many bytes have been read so far, about."""
        return int(self._share * self.path.stat().st_size)

    def _read_rows(self, names: Sequence[str], start: int, size: int) -> Iterator[Numbered]:
        begins = np.concatenate([[0], np.cumsum(self._rows_by_group)]).astype(np.int64)
        group = int(np.searchsorted(begins, start, side="right")) - 1
        number = int(begins[group])
        try:
            with pq.ParquetFile(self.path) as file:
                for batch in self._read_groups(file, names, group, size):
                    numbers = np.arange(number, number + len(batch), dtype=np.int64)
                    if len(batch):
                        yield Numbered(numbers, batch.select(list(names)))
                    number += len(batch)
                    self._share = number / max(int(begins[-1]), 1)
        except (pa.ArrowInvalid, OSError) as error:
            raise self._unreadable(error) from error

    def _read_groups(
        self, file: pq.ParquetFile, names: Sequence[str], first: int, size: int
    ) -> Iterator[pa.RecordBatch]:
        # Asked for several groups, it holds the bytes of all of them until the last is read.
        for group in range(first, len(self._rows_by_group)):
            yield from file.iter_batches(
                batch_size=size, columns=list(names), row_groups=[group]
            )

    def _unreadable(self, error: Exception) -> UnreadableData:
        return UnreadableData(
            f"{self.path} cannot be read as Parquet: {str(error).splitlines()[0].rstrip('.')}.",
            remedy="Write it again.",
            field="FILES",
        )
