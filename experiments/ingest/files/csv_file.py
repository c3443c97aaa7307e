"""Reads CSV, in columns.

Lines without quotes are split by Arrow, ten times as fast. From the first quote on, records
are read by Python's csv in its strict mode: there Arrow's reader loses the end of a line
where one of its blocks ends (apache/arrow#51368), and joins what follows a closing quote to
the cell.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from io import BytesIO, TextIOWrapper
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc

from experiments.errors import UnreadableData
from experiments.ingest.files.csv_records import CsvRecords, Problem
from experiments.ingest.files.slices import Numbered, Slice, Unreadable, cut_slices

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path

    from experiments.ingest.mapping.entries import CsvEntry

_ROWS_PER_BATCH: Final = 4_096
_BLOCK_BYTES: Final = 4 << 20


class _Position(NamedTuple):
    """The line and the number of the next record."""

    line: int
    number: int


class CsvFile:
    """A CSV file with a header, in UTF-8; its cells are read as bytes."""

    def __init__(self, path: Path, entry: CsvEntry) -> None:
        self.path = path
        self._entry = entry
        self._first = 0
        self._lines: list[int] = []
        """Of the records from the first of the slice on."""
        self._bytes = 0
        with self.path.open("rb") as file, _as_text(file, has_mark=True) as text:
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
        with self.path.open("rb") as file:
            at = _Position(line=1, number=0)
            if self._skip_plain_header(file):
                at = _Position(line=2, number=0)
                for block in self._read_plain_blocks(file):
                    batch = self._parse_plainly(block, schema)
                    if batch is None:
                        at = yield from self._parse_strictly(BytesIO(block), at, schema, start)
                        continue
                    self._note_lines(at, len(batch), start)
                    numbers = np.arange(at.number, at.number + len(batch), dtype=np.int64)
                    yield Numbered(numbers, batch)
                    at = _Position(at.line + len(batch), at.number + len(batch))
                    self._bytes = file.tell()
            yield from self._parse_strictly(file, at, schema, start)

    def _skip_plain_header(self, file: BinaryIO) -> bool:
        """Pass over the header, if records begin on the line after it."""
        header = file.readline(_BLOCK_BYTES)
        names = header.removeprefix(BOM_UTF8).removesuffix(b"\n").removesuffix(b"\r")
        if names and b"\r" not in names and header.endswith(b"\n") and self._is_plain(header):
            return True
        file.seek(0)
        return False

    def _read_plain_blocks(self, file: BinaryIO) -> Iterator[bytes]:
        """Yield whole lines, of which each is a record, up to the first that has quotes."""
        while True:
            begin = file.tell()
            block = file.read(_BLOCK_BYTES)
            if len(block) == _BLOCK_BYTES:
                block = block[: block.rfind(b"\n") + 1]
            if not block or not self._is_plain(block):
                file.seek(begin)
                return
            file.seek(begin + len(block))
            yield block

    def _is_plain(self, block: bytes) -> bool:
        entry = self._entry
        marks = [mark.encode() for mark in (entry.quote, entry.escape) if mark]
        return len(entry.delimiter.encode()) == 1 and not any(mark in block for mark in marks)

    def _parse_plainly(self, block: bytes, schema: pa.Schema) -> pa.RecordBatch | None:
        """Return the records of lines without quotes; None if they must be looked at."""
        has_blank_line = block.startswith((b"\n", b"\r\n")) or any(
            blank in block for blank in (b"\n\n", b"\n\r\n")
        )
        if has_blank_line or block.count(b"\r") != block.count(b"\r\n"):
            return None
        # Columns may share a name, so they are numbered.
        names = [str(self._names.index(name)) for name in schema.names]
        try:
            table = pc.read_csv(
                pa.py_buffer(block),
                read_options=pc.ReadOptions(
                    use_threads=False,
                    block_size=len(block) + 1,
                    column_names=[str(place) for place in range(len(self._names))],
                ),
                parse_options=pc.ParseOptions(
                    delimiter=self._entry.delimiter, quote_char=False, escape_char=False
                ),
                convert_options=pc.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.binary()),
                    include_columns=names,
                    strings_can_be_null=False,
                ),
            )
        except pa.ArrowInvalid:
            return None  # a record has too many cells, or too few
        columns = [column.combine_chunks() for column in table.columns]
        return pa.RecordBatch.from_arrays(columns, schema=schema) if names else None

    def _parse_strictly(
        self, file: BinaryIO, at: _Position, schema: pa.Schema, start: int
    ) -> Generator[Numbered | Unreadable, None, _Position]:
        """Yield the records that follow, and return where they end."""
        places = [self._names.index(name) for name in schema.names]
        rows: list[list[str]] = []
        number = at.number
        with _as_text(file, has_mark=at.line == 1) as text:
            records = CsvRecords(text, self._entry)
            if at.line == 1:
                self._read_header(records)
            for record in records:
                if number >= start:
                    self._lines.append(at.line + records.line - 1)
                problem = self._find_problem(record)
                if isinstance(record, list) and problem is None:
                    rows.append(record)
                if len(rows) == _ROWS_PER_BATCH or (rows and problem is not None):
                    yield _gather(rows, number + (problem is None), places, schema)
                    rows = []
                    self._bytes = max(self._bytes, file.tell())
                if problem is not None:
                    yield Unreadable(number, *problem)
                number += 1
            if rows:
                yield _gather(rows, number, places, schema)
            self._bytes = max(self._bytes, file.tell())
        return _Position(at.line + records.line - 1, number)

    def _note_lines(self, at: _Position, rows: int, start: int) -> None:
        passed = min(max(start - at.number, 0), rows)
        self._lines.extend(range(at.line + passed, at.line + rows))

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


def _as_text(file: BinaryIO, *, has_mark: bool) -> TextIOWrapper:
    """Return the text of a file; what is not UTF-8 is looked at cell by cell.

    Args:
        file: Closed together with the text.
        has_mark: Whether a byte order mark may stand here.
    """
    encoding = "utf-8-sig" if has_mark else "utf-8"
    return TextIOWrapper(file, encoding=encoding, errors="surrogateescape", newline="")


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
