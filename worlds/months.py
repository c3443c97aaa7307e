"""Calendar months as numbers: months since January 1970, and the moments they begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from core.arrays import Int64Array

MONTHS_PER_YEAR = 12
_FIRST_YEAR = 1970


def months_of(moments: ArrayLike) -> Int64Array:
    """Return the month that each moment (microseconds) lies in: int64 of the same shape."""
    micros = np.asarray(moments, np.int64).astype("datetime64[us]")
    return micros.astype("datetime64[M]").astype(np.int64)


def month_starts(months: ArrayLike) -> Int64Array:
    """Return the first moment of each month in microseconds: int64 of the same shape."""
    begins = np.asarray(months, np.int64).astype("datetime64[M]")
    return begins.astype("datetime64[us]").astype(np.int64)


def months_of_years(years: ArrayLike) -> Int64Array:
    """Return the January of each year."""
    return (np.asarray(years, np.int64) - _FIRST_YEAR) * MONTHS_PER_YEAR
