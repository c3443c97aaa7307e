"""Reads Parquet."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from experiments.errors import UnreadableData
from experiments.ingest.files.slices import Numbered, Slice, cut_slices

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from core.arrays import Int64Array

_INT96: Final = "INT96"
_NANOSECONDS: Final = 1_000_000_000
_NO_SUCH_MICROSECONDS: Final = np.iinfo(np.int64).min
"""Stands, in a column of INT96, for what has no value in microseconds."""


class ParquetFile:
    """A Parquet file; a record's line is its number, from 1."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._share = 0.0
        with self._open("ns") as file:
            # A file without the names of its columns in UTF-8 fails here, not when it is read.
            self._names = list(file.schema_arrow.names)
            self._schema = file.schema_arrow
            self._int96 = {
                column.path
                for column in map(file.schema.column, range(len(file.schema.names)))
                if column.physical_type == _INT96
            }
            self._rows_by_group = [
                file.metadata.row_group(place).num_rows
                for place in range(file.metadata.num_row_groups)
            ]

    def columns(self) -> list[str]:
        """Return the names of all columns."""
        return self._names

    def read(self, names: Sequence[str], start: int, size: int) -> Iterator[Slice]:
        """Yield slices; see `DataFile.read`."""
        schema = pa.schema(
            [
                pa.field(name, pa.timestamp("us"))
                if name in self._int96
                else self._schema.field(name).remove_metadata()
                for name in names
            ]
        )
        yield from cut_slices(self._read_rows(schema, start, size), start, size, schema)

    def line_of(self, number: int) -> int:
        """Return a record's number, from 1."""
        return number + 1

    def bytes_read(self) -> int:
        """Return how many bytes have been read so far, about."""
        return int(self._share * self.path.stat().st_size)

    def _read_rows(self, schema: pa.Schema, start: int, size: int) -> Iterator[Numbered]:
        begins = np.concatenate([[0], np.cumsum(self._rows_by_group)]).astype(np.int64)
        group = int(np.searchsorted(begins, start, side="right")) - 1
        number = int(begins[group])
        for batch in self._read_groups(schema, group, size):
            numbers = np.arange(number, number + len(batch), dtype=np.int64)
            if len(batch):
                yield Numbered(numbers, batch)
            number += len(batch)
            self._share = number / max(int(begins[-1]), 1)

    def _read_groups(
        self, schema: pa.Schema, first: int, size: int
    ) -> Iterator[pa.RecordBatch]:
        names = list(schema.names)
        int96 = [name for name in names if name in self._int96]
        with ExitStack() as opened:
            file = opened.enter_context(self._open("ns"))
            in_seconds = opened.enter_context(self._open("s")) if int96 else None
            # Asked for several groups, it holds the bytes of all of them until the last is
            # read.
            for group in range(first, len(self._rows_by_group)):
                seconds = in_seconds and in_seconds.iter_batches(
                    batch_size=size, columns=int96, row_groups=[group]
                )
                for batch in file.iter_batches(
                    batch_size=size, columns=names, row_groups=[group]
                ):
                    columns = {name: batch.column(name) for name in names}
                    if seconds is not None:
                        beside = next(seconds)
                        columns |= {
                            name: _exact_int96(columns[name], beside.column(name))
                            for name in int96
                        }
                    yield pa.RecordBatch.from_arrays(list(columns.values()), schema=schema)

    @contextmanager
    def _open(self, int96_unit: str) -> Iterator[pq.ParquetFile]:
        try:
            with pq.ParquetFile(
                self.path,
                coerce_int96_timestamp_unit=int96_unit,
                page_checksum_verification=True,
            ) as file:
                yield file
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UnreadableData(
                f"{self.path} cannot be read as Parquet: {reason.rstrip('.')}.",
                remedy="Write it again.",
                field="FILES",
            ) from error


def _exact_int96(nanoseconds: pa.Array, seconds: pa.Array) -> pa.Array:
    """Return INT96 moments in microseconds.

    Args:
        nanoseconds: As Arrow reads them: their last 64 bits.
        seconds: Likewise in whole seconds, of which 64 bits hold all.
    """
    low: Int64Array = nanoseconds.cast(pa.int64()).fill_null(0).to_numpy()
    whole: Int64Array = seconds.cast(pa.int64()).fill_null(0).to_numpy()
    with np.errstate(over="ignore"):
        rest = low - whole * _NANOSECONDS
        micros = whole * 1_000_000 + rest // 1_000
    fits = (np.abs(whole) < _SECONDS_WITHIN) & (rest >= 0) & (rest < _NANOSECONDS)
    micros = np.where(fits & (rest % 1_000 == 0), micros, _NO_SUCH_MICROSECONDS)
    absent = nanoseconds.is_null().to_numpy(zero_copy_only=False)
    return pa.array(micros, pa.timestamp("us"), mask=absent)


_SECONDS_WITHIN: Final = 2**63 // 1_000_000 - 1
"""Seconds of which int64 holds the microseconds."""
