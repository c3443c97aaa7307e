"""Records of a data file in columns, split at the same records in every run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from core.arrays import Int64Array


Column: TypeAlias = "pa.Array | list[object]"
"""An Arrow array, or one Python value per record; None where nothing stands."""


class Unreadable(NamedTuple):
    """A record that could not be read at all."""

    number: int
    rule: str
    remedy: str


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """Some records of one file that follow each other.

    Attributes:
        first: Number of the first, from 0.
        after: Number of the first that is not among them.
        numbers: int64[rows], the number of the record of each row; those that could not be
            read are left out.
        columns: By name.
        unreadable: What could not be read.
    """

    first: int
    after: int
    numbers: Int64Array
    columns: Mapping[str, Column]
    unreadable: Sequence[Unreadable]


class DataFile(Protocol):
    """A file of records."""

    path: Path

    def columns(self) -> list[str] | None:
        """Return the names of all columns; None where each record has its own."""
        ...

    def read(self, names: Sequence[str], start: int, size: int) -> Iterator[Slice]:
        """Yield slices that end at each multiple of `size` and at the end of the file.

        Args:
            names: Columns to read.
            start: Number of the first record to read.
            size: Records in a slice.
        """
        ...

    def line_of(self, number: int) -> int:
        """Return the line at which a record begins, from 1; asked for in ascending order."""
        ...

    def bytes_read(self) -> int:
        """Return how many bytes have been read so far, about."""
        ...


class Numbered(NamedTuple):
    """Rows as a reader yields them, each with its record's number."""

    numbers: Int64Array
    batch: pa.RecordBatch


def cut_slices(
    found: Iterable[Numbered | Unreadable], start: int, size: int, schema: pa.Schema
) -> Iterator[Slice]:
    """Yield slices of what a reader found in the order of its numbers."""
    first = start
    end = _next_cut(start, size)
    rows: list[Numbered] = []
    unreadable: list[Unreadable] = []
    after = start
    for part in found:
        pieces = [part] if isinstance(part, Unreadable) else _split(part, start, size)
        for piece in pieces:
            number = piece.number if isinstance(piece, Unreadable) else int(piece.numbers[0])
            if number < start:
                continue
            while number >= end:
                yield _slice(first, end, rows, unreadable, schema)
                first, end, rows, unreadable = end, end + size, [], []
            if isinstance(piece, Unreadable):
                unreadable.append(piece)
                after = number + 1
            else:
                rows.append(piece)
                after = int(piece.numbers[-1]) + 1
    if rows or unreadable:
        yield _slice(first, after, rows, unreadable, schema)


def _split(one: Numbered, start: int, size: int) -> Iterator[Numbered]:
    places = np.flatnonzero(one.numbers >= start)
    begin = int(places[0]) if len(places) else len(one.numbers)
    while begin < len(one.numbers):
        cut = _next_cut(int(one.numbers[begin]), size)
        end = int(np.searchsorted(one.numbers, cut))
        yield Numbered(one.numbers[begin:end], one.batch.slice(begin, end - begin))
        begin = end


def _next_cut(number: int, size: int) -> int:
    return (number // size + 1) * size


def _slice(
    first: int,
    after: int,
    rows: Sequence[Numbered],
    unreadable: Sequence[Unreadable],
    schema: pa.Schema,
) -> Slice:
    table = pa.Table.from_batches([piece.batch for piece in rows], schema)
    columns = {
        name: column.combine_chunks()
        for name, column in zip(table.column_names, table.columns, strict=True)
    }
    numbers = [piece.numbers for piece in rows] or [np.empty(0, np.int64)]
    return Slice(first, after, np.concatenate(numbers), columns, unreadable)
