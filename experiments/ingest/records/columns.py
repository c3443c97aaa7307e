"""Columns of any format and type in one shape, so that no cell can surprise who reads it.

What is returned holds nothing, booleans, whole numbers, floats, decimals, text, dates,
datetimes, and lists and objects of these; a cell that is none of them is an
`UnreadableCell`, which is refused with its record.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.moments import EPOCH, FIRST_MICROS, LAST_MICROS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from core.arrays import Int64Array
    from experiments.ingest.files.slices import Column

_EPOCH_DAY: Final = EPOCH.date()
_FIRST_DAY: Final = (date.min - _EPOCH_DAY).days
_LAST_DAY: Final = (date.max - _EPOCH_DAY).days
_MILLISECONDS_PER_DAY: Final = 86_400_000
_DEEPEST: Final = 32
_FLOAT32_EXACT: Final = 2**24
_OUTSIDE: Final = (
    "This lies outside the years 1 to 9999.",
    "Give a moment within them; 9999-12-31 where no end is known.",
)
_SUBMICROSECOND: Final = ("This has a part of a microsecond.", "Round it to microseconds.")
_NOT_UTF8: Final = ("This is not UTF-8.", "Save the file as UTF-8.")


@dataclass(frozen=True, slots=True, repr=False)
class UnreadableCell:
    """A cell that holds no value here.

    Attributes:
        shown: What stands there.
        problem: The rule it breaks, as a sentence.
        remedy: What to do, as a sentence.
    """

    shown: str
    problem: str
    remedy: str

    def __repr__(self) -> str:
        """Return what a message shows."""
        return self.shown


def plain_column(column: Column, missing: Sequence[str]) -> Column:
    """Return a column in plain types: Arrow's string, int, float, timestamp in microseconds.

    Args:
        column: As a file holds it.
        missing: Texts that mean nothing, for which None stands.
    """
    if isinstance(column, list):
        absent = set(missing)
        return [None if isinstance(cell, str) and cell in absent else cell for cell in column]
    column = _unwrap(column)
    kind = column.type
    if _depth(kind) > _DEEPEST:
        return _refuse_all(column, f"Its type is nested more than {_DEEPEST} deep.")
    if _is_text(kind):
        return _plain_texts(column, missing)
    for is_kind, convert in _CONVERSIONS:
        if is_kind(kind):
            return convert(column)
    if any(is_kind(kind) for is_kind in _PLAIN):
        return column
    return _refuse_all(column, f"{_shown(kind)} is not a type that is read.")


def refuse_inexact(column: Column) -> Column:
    """Return whole numbers; float32 cells that may be rounded ones are refused."""
    if isinstance(column, list) or not pa.types.is_float32(column.type):
        return column
    return [
        cell
        if cell is None or abs(cell) < _FLOAT32_EXACT or math.isnan(cell)
        else UnreadableCell(
            repr(cell),
            "A float32 holds whole numbers exactly below 16777216 only.",
            "Write the column as whole numbers.",
        )
        for cell in column.to_pylist()
    ]


def _unwrap(column: pa.Array) -> pa.Array:
    """Return what dictionaries, runs and types of extensions stand for."""
    while True:
        kind = column.type
        if isinstance(kind, pa.UuidType):
            return pa.array(
                [None if cell is None else str(cell) for cell in column.to_pylist()],
                pa.string(),
            )
        if isinstance(kind, pa.Bool8Type):
            return column.cast(pa.bool_())
        if isinstance(kind, pa.BaseExtensionType):
            column = column.storage
        elif pa.types.is_dictionary(kind):
            values = column.dictionary
            if pa.types.is_string_view(values.type) or pa.types.is_binary_view(values.type):
                values = values.cast(pa.binary())  # of views Arrow takes none by number
            column = values.take(column.indices)
        elif pa.types.is_run_end_encoded(kind):
            column = pc.run_end_decode(column)
        else:
            return column


def _is_text(kind: pa.DataType) -> bool:
    return any(is_kind(kind) for is_kind in _TEXTS)


def _plain_texts(column: pa.Array, missing: Sequence[str]) -> Column:
    """Return texts, read as UTF-8 whatever the file says of them."""
    try:
        texts = column.cast(pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        # Not UTF-8, or more bytes than one array of strings holds.
        cells = [_decode(cell) for cell in column.cast(pa.large_binary()).to_pylist()]
        return plain_column(cells, missing)
    absent = pc.is_in(texts, value_set=pa.array(list(missing), pa.string()))
    return pc.if_else(absent, pa.scalar(None, pa.string()), texts)


def _decode(cell: bytes | None) -> object:
    if cell is None:
        return None
    try:
        return cell.decode()
    except UnicodeDecodeError:
        return UnreadableCell(repr(cell[:80]), *_NOT_UTF8)


def _plain_timestamps(column: pa.Array) -> Column:
    """Return moments in microseconds, in UTC if the type has a zone, by whatever name."""
    kind = pa.timestamp("us", tz=None if column.type.tz is None else "UTC")
    counts: Int64Array = column.cast(pa.int64()).fill_null(0).to_numpy()
    factor, divisor = _FACTORS[column.type.unit]
    rests = counts % divisor
    micros = counts // divisor
    outside = (micros < FIRST_MICROS // factor) | (micros > LAST_MICROS // factor)
    micros = np.where(outside, 0, micros) * factor
    found = pa.array(micros, kind, mask=column.is_null().to_numpy(zero_copy_only=False))
    if not outside.any() and not rests.any():
        return found
    cells = found.to_pylist()
    for place in np.flatnonzero(outside | (rests != 0)).tolist():
        shown = f"{counts[place]} {column.type.unit} since 1970"
        cells[place] = UnreadableCell(shown, *(_OUTSIDE if outside[place] else _SUBMICROSECOND))
    return cells


def _plain_dates(column: pa.Array) -> Column:
    if pa.types.is_date32(column.type):
        counts, days_per_count = column.cast(pa.int32()).to_pylist(), 1
    else:
        counts, days_per_count = column.cast(pa.int64()).to_pylist(), _MILLISECONDS_PER_DAY
    return [None if count is None else _to_date(count, days_per_count) for count in counts]


def _to_date(count: int, counts_per_day: int) -> object:
    day, rest = divmod(count, counts_per_day)
    if rest:
        return UnreadableCell(
            f"{count} ms since 1970", "This is no whole day.", "Give a timestamp."
        )
    if not _FIRST_DAY <= day <= _LAST_DAY:
        return UnreadableCell(f"{day} days since 1970", *_OUTSIDE)
    return _EPOCH_DAY + timedelta(days=day)


def _plain_lists(column: pa.Array) -> Column:
    if any(is_kind(column.type.value_type) for is_kind in _PLAIN):
        cells: list[object] = column.to_pylist()
        return cells
    return [_to_list(_listed(row.values)) if row.is_valid else None for row in column]


def _to_list(cells: list[object]) -> object:
    return next(_unreadable(cells), cells)


def _plain_maps(column: pa.Array) -> Column:
    found: list[object] = []
    for row in column:
        if not row.is_valid:
            found.append(None)
            continue
        keys, values = (_listed(part) for part in row.values.flatten())
        if all(isinstance(key, str) for key in keys):
            found.append(_to_object(keys, values))
        else:
            found.append(
                UnreadableCell(repr(keys), "Its keys are not texts.", "Give text as keys.")
            )
    return found


def _plain_structs(column: pa.Array) -> Column:
    names = [column.type.field(place).name for place in range(column.type.num_fields)]
    parts = [_listed(part) for part in column.flatten()]
    return [
        _to_object(names, [part[row] for part in parts]) if is_valid else None
        for row, is_valid in enumerate(column.is_valid().to_pylist())
    ]


def _to_object(keys: Sequence[object], values: Sequence[object]) -> object:
    if len(set(keys)) < len(keys):
        twice = next(key for key in keys if list(keys).count(key) > 1)
        return UnreadableCell(
            repr(list(keys)), f"It has the key {twice!r} twice.", "Rename one."
        )
    return next(_unreadable(values), dict(zip(keys, values, strict=True)))


def _listed(column: pa.Array) -> list[object]:
    plain = plain_column(column, ())
    return plain if isinstance(plain, list) else plain.to_pylist()


def _unreadable(cells: Sequence[object]) -> Iterator[object]:
    return (cell for cell in cells if isinstance(cell, UnreadableCell))


def _refuse_all(column: pa.Array, problem: str) -> list[object]:
    refused = UnreadableCell(
        f"a {_shown(column.type)}", problem, "Write it as text, a number or a timestamp."
    )
    return [refused if is_valid else None for is_valid in column.is_valid().to_pylist()]


def _depth(kind: pa.DataType) -> int:
    level, depth = [kind], 0
    while level and depth <= _DEEPEST:
        level = [
            inner.field(place).type for inner in level for place in range(inner.num_fields)
        ]
        depth += 1
    return depth


def _shown(kind: pa.DataType) -> str:
    return str(kind).partition("\n")[0][:40]


_FACTORS: Final[Mapping[str, tuple[int, int]]] = {
    "s": (1_000_000, 1),
    "ms": (1_000, 1),
    "us": (1, 1),
    "ns": (1, 1_000),
}
"""By unit of a timestamp: what it is multiplied with, and before that divided by."""

_IsKind: TypeAlias = "Callable[[pa.DataType], bool]"
_TEXTS: Final[Sequence[_IsKind]] = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
    pa.types.is_fixed_size_binary,
)
_CONVERSIONS: Final[Sequence[tuple[_IsKind, Callable[[pa.Array], Column]]]] = (
    (pa.types.is_timestamp, _plain_timestamps),
    (pa.types.is_date, _plain_dates),
    (pa.types.is_float16, lambda column: column.cast(pa.float32())),
    (pa.types.is_map, _plain_maps),
    (pa.types.is_struct, _plain_structs),
    (
        lambda kind: (
            pa.types.is_list(kind)
            or pa.types.is_large_list(kind)
            or pa.types.is_fixed_size_list(kind)
            or pa.types.is_list_view(kind)
            or pa.types.is_large_list_view(kind)
        ),
        _plain_lists,
    ),
)
_PLAIN: Final[Sequence[_IsKind]] = (
    pa.types.is_null,
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal,
)
