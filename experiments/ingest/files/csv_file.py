"""Reads CSV: Arrow reads the cells, Python's csv finds the lines of what was refused."""

from __future__ import annotations

import csv
import sys
from collections import deque
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc

from experiments.errors import UnreadableData
from experiments.ingest.files.slices import Numbered, Slice, Unreadable, cut_slices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_BLOCK_BYTES: Final = 4 << 20
_HEADER_ROWS: Final = 2
"""Arrow counts rows from 1, and the header is one."""


class CsvFile:
    """A CSV file with a header, in UTF-8; its cells are read as bytes."""

    def __init__(self, path: Path, delimiter: str, quote: str) -> None:
        self.path = path
        self._delimiter = delimiter
        self._quote = quote
        self._names = self._read_header()
        self._lines = self._find_lines()
        self._last_found = (-1, 0)
        self._bytes = 0

    def columns(self) -> list[str]:
        """Return the names of all columns."""
        return self._names

    def read(self, names: Sequence[str], start: int, size: int) -> Iterator[Slice]:
        """Yield slices; see `DataFile.read`."""
        schema = pa.schema([(name, pa.binary()) for name in names])
        yield from cut_slices(self._read_rows(names, schema), start, size, schema)

    def line_of(self, number: int) -> int:
        """Return the line at which a record begins; see `DataFile.line_of`."""
        found, line = self._last_found
        while found < number:
            line = next(self._lines)
            found += 1
        self._last_found = (found, line)
        return line

    def bytes_read(self) -> int:
        """Return how many bytes have been read so far, about."""
        return self._bytes

    def _read_header(self) -> list[str]:
        try:
            # More than the header is decoded, and what follows is looked at cell by cell.
            with self.path.open(
                encoding="utf-8-sig", errors="surrogateescape", newline=""
            ) as file:
                header = next(csv.reader(file, **self._dialect()), None)
        except csv.Error as error:
            raise self._unreadable(f"its header cannot be read: {error}") from error
        if not header:
            raise self._unreadable("it is empty")
        if any("\udc80" <= letter <= "\udcff" for name in header for letter in name):
            raise self._unreadable("its header is not UTF-8")
        for name in header:
            if header.count(name) > 1:
                raise self._unreadable(f"it has the column {name!r} twice")
        return header

    def _read_rows(
        self, names: Sequence[str], schema: pa.Schema
    ) -> Iterator[Numbered | Unreadable]:
        bad: deque[Unreadable] = deque()

        def keep(row: pc.InvalidRow) -> str:
            bad.append(
                Unreadable(
                    row.number - _HEADER_ROWS,
                    f"The record has {row.actual_columns} cells, and the header "
                    f"{row.expected_columns}.",
                    "Put quotes around cells that hold the delimiter.",
                )
            )
            return "skip"

        number = 0
        with self.path.open("rb") as file:
            for batch in self._batches(file, names, schema, keep):
                self._bytes = file.tell()
                done = 0
                while done < len(batch):
                    while bad and bad[0].number == number:
                        yield bad.popleft()
                        number += 1
                    rows = len(batch) - done
                    if bad:
                        rows = min(rows, bad[0].number - number)
                    numbers = np.arange(number, number + rows, dtype=np.int64)
                    yield Numbered(numbers, batch.slice(done, rows))
                    done += rows
                    number += rows
        yield from bad

    def _batches(
        self,
        file: BinaryIO,
        names: Sequence[str],
        schema: pa.Schema,
        keep: Callable[[pc.InvalidRow], str],
    ) -> Iterator[pa.RecordBatch]:
        try:
            reader = pc.open_csv(
                file,
                # One thread: only then are the rows that are refused numbered.
                read_options=pc.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
                parse_options=pc.ParseOptions(
                    delimiter=self._delimiter,
                    quote_char=self._quote,
                    newlines_in_values=True,
                    invalid_row_handler=keep,
                ),
                convert_options=pc.ConvertOptions(
                    column_types=schema,
                    include_columns=list(names),
                    strings_can_be_null=False,
                ),
            )
            yield from reader
        except pa.ArrowInvalid as error:
            raise self._unreadable(str(error).splitlines()[0]) from error

    def _find_lines(self) -> Iterator[int]:
        """Yield the line at which each record begins."""
        csv.field_size_limit(sys.maxsize)
        with self.path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            reader = csv.reader(file, **self._dialect())
            next(reader)
            line = reader.line_num + 1
            for row in reader:
                if row:
                    yield line
                line = reader.line_num + 1

    def _dialect(self) -> dict[str, Any]:
        return {"delimiter": self._delimiter, "quotechar": self._quote}

    def _unreadable(self, reason: str) -> UnreadableData:
        return UnreadableData(
            f"{self.path} cannot be read as CSV: {reason}.",
            remedy="It needs a header, UTF-8, and the delimiter and quote of the mapping.",
            field="FILES",
        )
