"""Reads CSV, in columns."""

from __future__ import annotations

from io import TextIOWrapper
from typing import TYPE_CHECKING, BinaryIO, Final

import numpy as np
import pyarrow as pa

from experiments.errors import UnreadableData
from experiments.ingest.files.csv_records import CsvRecords, Problem
from experiments.ingest.files.slices import Numbered, Slice, Unreadable, cut_slices

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from experiments.ingest.mapping.entries import CsvEntry

_ROWS_PER_BATCH: Final = 4_096


class CsvFile:
    """A CSV file with a header, in UTF-8; its cells are read as bytes."""

    def __init__(self, path: Path, entry: CsvEntry) -> None:
        self.path = path
        self._entry = entry
        self._first = 0
        self._lines: list[int] = []
        """Of the records from the first of the slice on."""
        self._bytes = 0
        with self.path.open("rb") as file, _as_text(file) as text:
            self._names = self._read_header(CsvRecords(text, entry))

    def columns(self) -> list[str]:
        """Return the names of all columns."""
        return self._names

    def read(self, names: Sequence[str], start: int, size: int) -> Iterator[Slice]:
        """Yield slices; see `DataFile.read`."""
        schema = pa.schema([(name, pa.binary()) for name in names])
        self._first, self._lines = start, []
        for found in cut_slices(self._read_rows(schema, start), start, size, schema):
            yield found
            del self._lines[: found.after - self._first]
            self._first = found.after

    def line_of(self, number: int) -> int:
        """Return the line at which a record begins; see `DataFile.line_of`."""
        return self._lines[number - self._first]

    def bytes_read(self) -> int:
        """Return how many bytes have been read so far, about."""
        return self._bytes

    def _read_header(self, records: CsvRecords) -> list[str]:
        header = next(records, None)
        if header is None:
            raise self._unreadable("it is empty")
        if isinstance(header, Problem):
            reason = header.rule.rstrip(".")
            raise self._unreadable(f"its header is wrong: {reason[0].lower()}{reason[1:]}")
        if any("\udc80" <= letter <= "\udcff" for name in header for letter in name):
            raise self._unreadable("its header is not UTF-8")
        return header

    def _read_rows(self, schema: pa.Schema, start: int) -> Iterator[Numbered | Unreadable]:
        places = [self._names.index(name) for name in schema.names]
        with self.path.open("rb") as file, _as_text(file) as text:
            records = CsvRecords(text, self._entry)
            self._read_header(records)
            rows: list[list[str]] = []
            number = 0
            for number, record in enumerate(records):
                if number < start:
                    continue
                self._lines.append(records.line)
                problem = self._find_problem(record)
                if isinstance(record, list) and problem is None:
                    rows.append(record)
                if len(rows) == _ROWS_PER_BATCH or (rows and problem is not None):
                    yield _gather(rows, number + (problem is None), places, schema)
                    rows = []
                    self._bytes = file.tell()
                if problem is not None:
                    yield Unreadable(number, *problem)
            if rows:
                yield _gather(rows, number + 1, places, schema)
            self._bytes = file.tell()

    def _find_problem(self, record: list[str] | Problem) -> Problem | None:
        if isinstance(record, Problem):
            return record
        if len(record) == len(self._names):
            return None
        return Problem(
            f"The record has {len(record)} cells, and the header {len(self._names)}.",
            "Put quotes around cells that hold the delimiter.",
        )

    def _unreadable(self, reason: str) -> UnreadableData:
        return UnreadableData(
            f"{self.path} cannot be read as CSV: {reason}.",
            remedy="It needs a header, UTF-8, and the delimiter and quote of the mapping.",
            field="FILES",
        )


def _as_text(file: BinaryIO) -> TextIOWrapper:
    # What is not UTF-8 is looked at cell by cell.
    return TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")


def _gather(
    rows: list[list[str]], after: int, places: Sequence[int], schema: pa.Schema
) -> Numbered:
    """Return rows as columns; their records are those before a number."""
    cells = list(zip(*rows, strict=True))
    columns = [_to_bytes(cells[place]) for place in places]
    numbers = np.arange(after - len(rows), after, dtype=np.int64)
    return Numbered(numbers, pa.RecordBatch.from_arrays(columns, schema=schema))


def _to_bytes(cells: Sequence[str]) -> pa.Array:
    try:
        return pa.array(cells, pa.string()).cast(pa.binary())
    except UnicodeEncodeError:
        return pa.array([cell.encode(errors="surrogateescape") for cell in cells], pa.binary())
