"""Sums in fixed point, which do not depend on the order of the terms.

A number is held as the nearest multiple of 2^-20 in int64. Sums of integers are exact in any
order; only their last division rounds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from core.arrays import Float64Array, Int64Array

FRACTION_BITS: Final = 20
ONE: Final = 1 << FRACTION_BITS


def to_fixed(numbers: ArrayLike) -> Int64Array:
    """Return numbers as multiples of 2^-20: int64 of the same shape."""
    scaled = np.asarray(numbers, np.float64) * ONE
    return np.rint(scaled).astype(np.int64)


def to_floats(fixed: Int64Array) -> Float64Array:
    """Return multiples of 2^-20 as float64."""
    return fixed.astype(np.float64) / ONE


def multiply(left: Int64Array, right: Int64Array) -> Int64Array:
    """Return the products, rounded down, of numbers that are at most about 2^20."""
    return (left * right) >> FRACTION_BITS


def add_at(places: Int64Array, amounts: Int64Array, size: int) -> Int64Array:
    """Return the sum of the amounts at each place: int64[size]."""
    sums = np.zeros(size, np.int64)
    np.add.at(sums, places, amounts)
    return sums


def count_at(places: Int64Array, size: int) -> Int64Array:
    """Return how often each place occurs: int64[size]."""
    return np.bincount(places, minlength=size).astype(np.int64)
