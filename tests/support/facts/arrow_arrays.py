"""Random Arrow arrays of every type, hostile values among them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

_INTERESTING: Final = (0, 1, -1, 17, 16.0, 603, 86_400_000)
_TEXTS: Final = (
    "",
    "NA",
    "17",
    "603.0",
    " 7 ",
    "1e3",
    "Dräma",
    "x" * 600,
    "2024-03-04T12:00:00Z",
    "2024-03-04",
    "20240304120000Z",
    "true",
    "[0.5, 1]",
    '{"a": 1}',
    "play",
    "rating",
    "assert",
    "retract",
    "\0",
    "\x1b[31m",
    "9" * 40,
    "-1",
    "nan",
    "inf",
)
_NOT_TEXTS: Final = (b"\xff", b"caf\xe9", b"\xed\xa0\x80", b"\x80abc")
_ZONES: Final = (None, "UTC", "Europe/Berlin", "+01:00", "UTC-0100", "tzlocal()", "nowhere", "")
MOMENT_SECONDS: Final = 1_709_553_600
_LEAF_TYPES: Final[tuple[pa.DataType, ...]] = (
    pa.null(),
    pa.bool_(),
    *(pa.int8(), pa.int16(), pa.int32(), pa.int64()),
    *(pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
    *(pa.float16(), pa.float32(), pa.float64()),
    *(pa.decimal128(18, 0), pa.decimal128(38, 9), pa.decimal256(60, 0), pa.decimal32(7, 0)),
    *(pa.string(), pa.large_string(), pa.string_view()),
    *(pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(3)),
    *(pa.date32(), pa.date64()),
    *(pa.time32("ms"), pa.time64("ns"), pa.duration("ns")),
    *(pa.uuid(), pa.json_(), pa.bool8()),
)


def random_array(chance: Random, rows: int) -> pa.Array:
    """Return an array of any type."""
    choice = chance.random()
    if choice < 0.15:
        return _timestamps(chance, rows)
    if choice < 0.25:
        return _nested(chance, rows, depth=2)
    array = random_leaves(chance, rows)
    if choice < 0.35 and not isinstance(array.type, pa.BaseExtensionType):
        try:
            return array.dictionary_encode()
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
            return array
    return array


def random_leaves(chance: Random, rows: int) -> pa.Array:
    """Return an array of a type that is not nested."""
    kind = chance.choice(_LEAF_TYPES)
    return make_array(kind, [_cell(chance, kind) for _ in range(rows)])


def _timestamps(chance: Random, rows: int) -> pa.Array:
    unit = chance.choice(["s", "ms", "us", "ns"])
    factor = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    values = [
        chance.choice(
            [
                MOMENT_SECONDS * factor,
                MOMENT_SECONDS * factor,
                MOMENT_SECONDS * factor + 1,
                2**63 - 1,
                -(2**63),
                MOMENT_SECONDS * 10**6,
                253_402_214_400 * factor if unit != "ns" else 0,
                -62_135_596_801 * factor if unit != "ns" else -1,
                None,
            ]
        )
        for _ in range(rows)
    ]
    return make_array(pa.timestamp(unit, tz=chance.choice(_ZONES) or None), values)


def _nested(chance: Random, rows: int, depth: int) -> pa.Array:
    def inner(count: int) -> pa.Array:
        nested = depth > 1 and chance.random() < 0.3
        return _nested(chance, count, depth - 1) if nested else random_leaves(chance, count)

    lengths = [chance.randrange(3) for _ in range(rows)]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    shape = chance.choice(["list", "large", "fixed", "struct", "twins", "map", "view"])
    if shape == "fixed":
        return pa.FixedSizeListArray.from_arrays(inner(2 * rows), 2)
    if shape in {"struct", "twins"}:
        names = ["a", "b"] if shape == "struct" else ["a", "a"]
        return pa.StructArray.from_arrays([inner(rows), inner(rows)], names=names)
    if shape == "map":
        keys = make_array(pa.string(), [chance.choice("abc") for _ in range(offsets[-1])])
        return pa.MapArray.from_arrays(offsets, keys, inner(int(offsets[-1])))
    values = inner(int(offsets[-1]))
    if shape == "large":
        return pa.LargeListArray.from_arrays(offsets.astype(np.int64), values)
    if shape == "view":
        return pa.ListViewArray.from_arrays(offsets[:-1], np.array(lengths, np.int32), values)
    return pa.ListArray.from_arrays(offsets, values)


def make_array(kind: pa.DataType, values: list[Any]) -> pa.Array:
    """Return an array, bytes that are not UTF-8 in one of strings included."""
    if isinstance(kind, pa.UuidType | pa.JsonType | pa.Bool8Type):
        return pa.ExtensionArray.from_storage(kind, pa.array(values, kind.storage_type))
    texts = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary()}
    if kind in texts:
        encoded = [cell.encode() if isinstance(cell, str) else cell for cell in values]
        stored = pa.array(encoded, texts[kind])
        return pa.Array.from_buffers(kind, len(stored), stored.buffers(), stored.null_count)
    return pa.array(values, kind)


def _cell(chance: Random, kind: pa.DataType) -> Any:  # noqa: ANN401 - as the type has it
    if chance.random() < 0.1:
        return None
    return _makers(kind)(chance)


def _makers(kind: pa.DataType) -> Callable[[Random], Any]:  # noqa: C901, PLR0911, PLR0912 - one for each type
    if pa.types.is_null(kind):
        return lambda _: None
    if pa.types.is_boolean(kind):
        return lambda chance: chance.random() < 0.5
    if isinstance(kind, pa.Bool8Type):
        return lambda chance: chance.randrange(2)
    if pa.types.is_integer(kind):
        signed = pa.types.is_signed_integer(kind)
        most = 2 ** (kind.bit_width - signed) - 1
        ends = [0, 1, 17, most, most - 1, -most - 1 if signed else 2]
        return lambda chance: chance.choice(ends)
    if pa.types.is_floating(kind):
        numbers = [0.0, 1.0, 17.0, 0.5, -0.0, np.nan, np.inf, -1.0, 2048.0]
        if kind != pa.float16():
            numbers += [2.0**24, 2.0**24 + 2, 1e30]
        if kind == pa.float64():
            numbers += [2.0**53, 2.0**53 + 2, 1e300]
        if kind == pa.float16():
            return lambda chance: np.float16(chance.choice(numbers))
        return lambda chance: chance.choice(numbers)
    if pa.types.is_decimal(kind):
        return lambda chance: chance.choice([0, 1, 17, 603, -1])
    if isinstance(kind, pa.UuidType):
        return lambda chance: uuid.UUID(int=chance.getrandbits(128)).bytes
    if isinstance(kind, pa.JsonType) or pa.types.is_string_view(kind):
        return lambda chance: chance.choice(_TEXTS)
    if pa.types.is_fixed_size_binary(kind):
        return lambda chance: chance.choice([b"abc", b"\xff\xff\xff", b"617"])
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return lambda chance: chance.choice([*_TEXTS, *_TEXTS, *_NOT_TEXTS])
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return lambda chance: chance.choice([*(text.encode() for text in _TEXTS), *_NOT_TEXTS])
    if pa.types.is_binary_view(kind):
        return lambda chance: chance.choice([*(text.encode() for text in _TEXTS), *_NOT_TEXTS])
    if pa.types.is_date32(kind):
        return lambda chance: chance.choice([0, 19_786, 2_932_896, 2**31 - 1, -(2**31)])
    if pa.types.is_date64(kind):
        days = [0, 19_786, 2_932_896, 10**9]
        return lambda chance: chance.choice(days) * 86_400_000
    return lambda chance: chance.choice([0, 1, 1_000])
