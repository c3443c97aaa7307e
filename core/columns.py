"""Codec of the number columns that travel between services (pagesim.columns.v1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from pagesim.columns.v1.columns_pb2 import FloatColumn, IntegerColumn

from core.errors import InvalidColumn

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from core.arrays import Float32Array, Int64Array

_DTYPES: Final[dict[int, np.dtype[np.integer]]] = {
    1: np.dtype("<u1"),
    2: np.dtype("<u2"),
    4: np.dtype("<u4"),
    8: np.dtype("<i8"),
}
_SIGNED: Final = frozenset(np.dtype(f"i{size}") for size in (1, 2, 4, 8))
_FLOAT: Final = np.dtype("<f4")


def encode_integers(integers: ArrayLike) -> IntegerColumn:
    """Return integers as the narrowest column that holds them all.

    Args:
        integers: Any shape, int64 or narrower; flattened in C order.
    """
    array = np.asarray(integers)
    if array.dtype not in _SIGNED:
        array = array.astype(np.int64)
    width = _narrowest_width(array)
    return IntegerColumn(width_bytes=width, values=array.astype(_DTYPES[width]).tobytes())


def decode_integers(
    column: IntegerColumn, *, field: str, length: int | None = None
) -> Int64Array:
    """Return the integers of a column as int64; see `read_integers`.

    Raises:
        InvalidColumn: The width is unknown, the bytes do not divide, or the length differs.
    """
    return read_integers(column, field=field, length=length).astype(np.int64)


def read_integers(
    column: IntegerColumn, *, field: str, length: int | None = None
) -> NDArray[np.integer]:
    """Return the integers of a column in the type in which they came, not to be written.

    A column that was never set is empty.

    Args:
        column: What came over the wire.
        field: Name of the request's field, for the error.
        length: How many integers there must be, if that is known.

    Raises:
        InvalidColumn: The width is unknown, the bytes do not divide, or the length differs.
    """
    width = column.width_bytes
    if width == 0 and not column.values:
        integers = np.empty(0, _DTYPES[8])
    elif width not in _DTYPES:
        raise InvalidColumn(
            f"width_bytes is {width}.", remedy="It must be 1, 2, 4 or 8.", field=field
        )
    elif len(column.values) % width:
        raise InvalidColumn(
            f"{len(column.values)} bytes do not divide into integers of {width} bytes.",
            remedy="Send whole integers.",
            field=field,
        )
    else:
        integers = np.frombuffer(column.values, dtype=_DTYPES[width])
    _check_length(len(integers), length, field=field)
    return integers


def encode_floats(floats: ArrayLike) -> FloatColumn:
    """Return float32 of any shape as a column, flattened in C order."""
    return FloatColumn(values=np.asarray(floats, dtype=_FLOAT).tobytes())


def decode_floats(
    column: FloatColumn, *, field: str, length: int | None = None
) -> Float32Array:
    """Return the floats of a column as flat, writable float32; see `read_floats`.

    Raises:
        InvalidColumn: The bytes do not divide into float32, or the length differs.
    """
    return read_floats(column, field=field, length=length).astype(np.float32)


def read_floats(column: FloatColumn, *, field: str, length: int | None = None) -> Float32Array:
    """Return the floats of a column as flat float32, not to be written.

    Args:
        column: What came over the wire.
        field: Name of the request's field, for the error.
        length: How many floats there must be, if that is known.

    Raises:
        InvalidColumn: The bytes do not divide into float32, or the length differs.
    """
    if len(column.values) % _FLOAT.itemsize:
        raise InvalidColumn(
            f"{len(column.values)} bytes do not divide into float32.",
            remedy="Send four bytes for each.",
            field=field,
        )
    floats = np.frombuffer(column.values, dtype=_FLOAT)
    _check_length(len(floats), length, field=field)
    return floats


def _narrowest_width(array: NDArray[np.integer]) -> int:
    if array.size == 0:
        return 1
    if array.min() < 0:
        return 8
    largest = int(array.max())
    return next(width for width in (1, 2, 4, 8) if largest < 1 << (8 * width))


def _check_length(found: int, length: int | None, *, field: str) -> None:
    if length is not None and found != length:
        raise InvalidColumn(
            f"The column has {found} entries, not {length}.",
            remedy="Columns of one message must have matching lengths.",
            field=field,
        )
