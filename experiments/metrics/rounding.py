"""Rounds results: their last bits depend on the order in which threads add them up."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

DECIMALS: Final = 12


def round_floats(column: pa.Array) -> pa.Array:
    """Return a column with floats rounded to 12 decimals, NaN as null; others as they are."""
    if not pa.types.is_floating(column.type):
        return column
    # pyarrow's own rounding leaves neighbours of a round number as they are.
    values = column.to_numpy(zero_copy_only=False)
    return pa.array(np.round(values, DECIMALS), column.type, from_pandas=True)
