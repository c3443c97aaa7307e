"""Converts cells into values, whatever the format of the file.

A text is read alike in every format. Whole columns are converted at once where Arrow's
reading is ours and nothing is wrong; one by one otherwise.
"""

from __future__ import annotations

import math
import re
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from timetravel.errors import InvalidFact
from timetravel.facts.model import LARGEST_ID, canonical_json
from timetravel.ingest.json_text import check_depth, parse_json_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.arrays import Float32Array, Float64Array, Int64Array
    from experiments.ingest.files.slices import Column
    from timetravel.facts.model import JsonValue
    from timetravel.ingest.limits import Limits

T = TypeVar("T")

_WHOLE: Final = re.compile(r"([-+]?[0-9]{1,30})(\.0*)?")
_NUMBER: Final = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,5})?")
_NAN: Final = {"nan", "NaN", "NAN"}


def whole_numbers(column: Column) -> Int64Array | None:
    """Return a column of ids at once, None if they must be looked at one by one."""
    if isinstance(column, list) or column.null_count:
        return None
    if pa.types.is_string(column.type):
        # Arrow would take hexadecimal numbers too.
        if not pc.all(pc.match_substring_regex(column, "^[0-9]{1,18}$")).as_py():
            return None
        column = column.cast(pa.int64())
    if pa.types.is_floating(column.type):
        exact: Float64Array = column.cast(pa.float64()).to_numpy()
        if not (np.abs(exact) < _FIRST_INEXACT).all() or (exact % 1).any():
            return None
        column = pa.array(exact.astype(np.int64))
    if not pa.types.is_integer(column.type) or pa.types.is_uint64(column.type):
        return None
    numbers: Int64Array = column.to_numpy().astype(np.int64)
    return numbers if numbers.min(initial=0) >= 0 else None


def floats(column: Column) -> Float32Array | None:
    """Return a column of vector values at once, NaN where nothing stands; None as above."""
    if isinstance(column, list):
        return _floats_of(column)
    if not (
        pa.types.is_string(column.type)
        or pa.types.is_floating(column.type)
        or (pa.types.is_integer(column.type))
    ):
        return None
    try:
        # Arrow would take "inf" too, which is refused wherever it comes from.
        numbers = column.cast(pa.float32(), safe=False)
    except pa.ArrowInvalid:
        return None
    found: Float32Array = numbers.fill_null(math.nan).to_numpy()
    return None if np.isinf(found).any() else found


def _floats_of(cells: list[object]) -> Float32Array | None:
    """Return floats and whole numbers among each other, as JSON has them."""
    if not set(map(type, cells)) <= {float, int, type(None)}:
        return None
    try:
        exact = np.array([math.nan if cell is None else cell for cell in cells], np.float64)
    except OverflowError:
        return None
    if (
        np.abs(exact, where=~np.isnan(exact), out=np.zeros_like(exact)).max(initial=0)
        > _FIRST_INEXACT
    ):
        return None
    return exact.astype(np.float32)


_FIRST_INEXACT: Final = 2**53
"""The first whole number that may stand, as a float, for another one."""


def to_text(cell: object) -> str:
    """Return a cell as text."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int) and not isinstance(cell, bool):
        return str(cell)
    if isinstance(cell, Decimal) and cell.as_tuple().exponent == 0:
        return str(int(cell))
    raise _wrong("text")


def to_whole(cell: object) -> int:
    """Return a cell as a whole number; floats and decimals are taken if they are one."""
    if isinstance(cell, str):
        found = _WHOLE.fullmatch(cell.strip())
        if found is not None:
            return int(found[1])
    elif isinstance(cell, int) and not isinstance(cell, bool):
        return cell
    elif isinstance(cell, float) and cell.is_integer():
        if abs(cell) < _FIRST_INEXACT:
            return int(cell)
        raise InvalidFact(
            f"Floats hold whole numbers exactly below {_FIRST_INEXACT} only.",
            remedy="Write it as a whole number, or as text.",
        )
    elif isinstance(cell, Decimal) and cell == cell.to_integral_value():
        return int(cell)
    raise _wrong("a whole number")


def to_identity(cell: object) -> int:
    """Return a cell as an id."""
    number = to_whole(cell)
    if not 0 <= number <= LARGEST_ID:
        raise InvalidFact(f"Ids lie between 0 and {LARGEST_ID}.", remedy="Give one of these.")
    return number


def to_number(cell: object) -> float:
    """Return a cell as a finite number."""
    is_text = isinstance(cell, str) and _NUMBER.fullmatch(cell.strip())
    is_number = isinstance(cell, int | float | Decimal) and not isinstance(cell, bool)
    try:
        number = float(cell) if is_text or is_number else math.nan  # type: ignore[arg-type]
    except OverflowError:  # a whole number that float64 cannot hold
        number = math.inf
    if not math.isfinite(number):
        raise _wrong("a finite number")
    return number


def to_float32(cell: object) -> float:
    """Return a cell as a value of a vector: NaN where nothing stands."""
    if cell is None or (isinstance(cell, str) and cell.strip() in _NAN):
        return math.nan
    if isinstance(cell, float) and math.isnan(cell):
        return math.nan
    number = to_number(cell)
    # Rounded once, as whole columns are, and not by way of float64.
    if isinstance(cell, str):
        number = pa.scalar(cell.strip()).cast(pa.float32()).as_py()
    elif isinstance(cell, int) and abs(cell) <= LARGEST_ID:
        number = float(np.int64(cell).astype(np.float32))
    else:
        with np.errstate(over="ignore"):
            number = float(np.float32(number))
    if not math.isfinite(number):
        raise _wrong("a finite number within float32")
    return float(number)


def to_json(cell: object, kind: str | None, limits: Limits) -> JsonValue:
    """Return a cell as a value of JSON.

    Args:
        cell: What stands there.
        kind: What texts are read as; None takes a cell as it is.
        limits: Bounds of what is taken.
    """
    read = _JSON_READERS.get(kind)
    if read is not None:
        return read(cell)
    if kind == "json" and isinstance(cell, str):
        cell = parse_json_text(cell, limits)
    value: Any = _without_decimals(cell)
    if isinstance(value, date):
        raise InvalidFact(
            "JSON has no dates.", remedy="Write it as text, as its readers expect it."
        )
    text = canonical_json(value)
    if len(text.encode()) > limits.json_bytes:
        raise InvalidFact(
            f"The value is longer than {limits.json_bytes} bytes.", remedy="Split it."
        )
    check_depth(value, limits)
    found: JsonValue = value
    return found


def _to_boolean(cell: object) -> bool:
    if isinstance(cell, bool):
        return cell
    if isinstance(cell, str) and cell.strip().lower() in {"true", "false"}:
        return cell.strip().lower() == "true"
    raise _wrong("true or false")


def _as_text(cell: object) -> str:
    text = to_text(cell)
    canonical_json(text)  # refuses half of a surrogate pair
    return text


_JSON_READERS: Final[dict[str | None, Callable[[object], JsonValue]]] = {
    "text": _as_text,
    "integer": to_whole,
    "number": to_number,
    "boolean": _to_boolean,
}


def _without_decimals(cell: object) -> object:
    match cell:
        case Decimal():
            return _to_json_number(cell)
        case list():
            return [_without_decimals(inner) for inner in cell]
        case dict():
            return {key: _without_decimals(inner) for key, inner in cell.items()}
    return cell


def _to_json_number(number: Decimal) -> float:
    """Return a decimal as JSON has it: whole if it has no places for a fraction."""
    if number.as_tuple().exponent == 0:
        return int(number)
    found = float(number)
    if not math.isfinite(found) or Decimal(repr(found)) != number:
        raise InvalidFact(
            "This has more digits than a float holds.", remedy="Write it as text."
        )
    return found


def _wrong(wanted: str) -> InvalidFact:
    return InvalidFact(f"This is not {wanted}.", remedy=f"Give {wanted}.")
