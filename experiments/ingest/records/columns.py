"""Columns of any format in one shape: texts as texts, None where a cell is empty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from experiments.ingest.files.slices import Column


def plain_column(column: Column, missing: Sequence[str]) -> Column:
    """Return a column with its bytes read as UTF-8 text, and None for texts that mean nothing.

    Cells that are not UTF-8 stay bytes, which nothing takes.
    """
    if isinstance(column, list):
        absent = set(missing)
        return [None if isinstance(cell, str) and cell in absent else cell for cell in column]
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        try:
            column = column.cast(pa.string())
        except pa.ArrowInvalid:
            return plain_column([_decode(cell) for cell in column.to_pylist()], missing)
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        return _without_nanoseconds(column)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        absent = pc.is_in(column, value_set=pa.array(list(missing), pa.string()))
        return pc.if_else(absent, pa.scalar(None, pa.string()), column.cast(pa.string()))
    return column


def _gather(cells: list[object]) -> Column:
    """Return cells of one type as an Arrow array, others as they are."""
    types = set(map(type, cells)) - {type(None)}
    kind = _ARROW_TYPES.get(next(iter(types))) if len(types) == 1 else None
    if kind is None:
        return cells
    try:
        return pa.array(cells, kind)
    except (pa.ArrowInvalid, OverflowError, UnicodeEncodeError):
        return cells  # a number that int64 cannot hold, or half of a surrogate pair


_ARROW_TYPES: Final[Mapping[type, pa.DataType]] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
}


def _without_nanoseconds(column: pa.Array) -> Column:
    """Return moments in microseconds; those that have no such value as text, which says so."""
    try:
        return column.cast(pa.timestamp("us", tz=column.type.tz))
    except pa.ArrowInvalid:
        exact = column.cast(pa.timestamp("us", tz=column.type.tz), safe=False).to_pylist()
        rest = pc.subtract(
            column.cast(pa.int64()),
            pc.multiply(pc.divide(column.cast(pa.int64()), 1000), 1000),
        ).to_pylist()
        texts = column.cast(pa.string()).to_pylist()
        return [
            text if part else moment
            for moment, part, text in zip(exact, rest, texts, strict=True)
        ]


def _decode(cell: object) -> object:
    if not isinstance(cell, bytes):
        return cell
    try:
        return cell.decode()
    except UnicodeDecodeError:
        return cell
