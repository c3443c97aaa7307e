"""What a cell of an Arrow array means, one scalar at a time, in plain Python."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import pyarrow as pa

FIRST_MICROS: Final = -62_135_596_800_000_000
LAST_MICROS: Final = 253_402_300_799_999_999
_PER_SECOND: Final = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_DAY_MICROS: Final = 86_400_000_000


@dataclass(frozen=True)
class Moment:
    """A moment of the years 1 to 9999, in microseconds since 1970 in UTC or in some zone."""

    micros: int
    in_utc: bool


class Nothing:
    """What has no meaning: the record is refused."""


NO_VALUE: Final = Nothing()


def read_scalar(scalar: Any) -> object:  # noqa: ANN401, C901, PLR0911, PLR0912 - one branch for each type
    """Return None, a bool, int, float, Decimal, text, Moment, list, dict, or NO_VALUE."""
    kind = scalar.type
    if not scalar.is_valid:
        return None
    if pa.types.is_dictionary(kind):
        return read_scalar(scalar.dictionary[scalar.index.as_py()])
    if pa.types.is_run_end_encoded(kind) or isinstance(kind, pa.JsonType):
        return read_scalar(scalar.value)
    if isinstance(kind, pa.UuidType | pa.Bool8Type):
        found = scalar.as_py()
        return found if isinstance(found, bool) else str(found)
    if any(
        is_kind(kind)
        for is_kind in (
            pa.types.is_string,
            pa.types.is_large_string,
            pa.types.is_string_view,
            pa.types.is_binary,
            pa.types.is_large_binary,
            pa.types.is_binary_view,
            pa.types.is_fixed_size_binary,
        )
    ):
        try:
            return scalar.as_buffer().to_pybytes().decode()
        except UnicodeDecodeError:
            return NO_VALUE
    if pa.types.is_timestamp(kind):
        micros = Fraction(scalar.value * 1_000_000, _PER_SECOND[kind.unit])
        return _moment(micros, in_utc=kind.tz is not None)
    if pa.types.is_date32(kind):
        return _moment(Fraction(scalar.value * _DAY_MICROS), in_utc=False)
    if pa.types.is_date64(kind):
        whole = scalar.value % 86_400_000 == 0
        return _moment(Fraction(scalar.value * 1_000), in_utc=False) if whole else NO_VALUE
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        return scalar.as_py()
    if pa.types.is_floating(kind):
        return float(scalar.as_py())
    if pa.types.is_map(kind):
        pairs = [(read_scalar(key), read_scalar(value)) for key, value in _pairs(scalar)]
        return _object(pairs)
    if pa.types.is_struct(kind):
        names = [kind.field(place).name for place in range(kind.num_fields)]
        return _object([(name, read_scalar(scalar[at])) for at, name in enumerate(names)])
    if hasattr(scalar, "values"):
        cells = [read_scalar(inner) for inner in scalar.values]
        return NO_VALUE if NO_VALUE in cells else cells
    return NO_VALUE


def _pairs(scalar: Any) -> list[tuple[Any, Any]]:  # noqa: ANN401 - Arrow's stubs have no maps
    return [(entry[0], entry[1]) for entry in scalar.values]


def _object(pairs: list[tuple[object, object]]) -> object:
    keys = [key for key, _ in pairs]
    if not all(isinstance(key, str) for key in keys) or len(set(keys)) < len(keys):
        return NO_VALUE
    return NO_VALUE if any(value is NO_VALUE for _, value in pairs) else dict(pairs)


def _moment(micros: Fraction, *, in_utc: bool) -> object:
    if micros.denominator > 1 or not FIRST_MICROS <= micros <= LAST_MICROS:
        return NO_VALUE
    return Moment(int(micros), in_utc)


def is_same(one: object, other: object) -> bool:
    """Return whether two cells mean the same, NaN included."""
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(map(is_same, one.values(), other.values()))
    return type(one) is type(other) and one == other
