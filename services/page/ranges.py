"""Groups that lie one after the other in a flat array."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.kernel import kernel, kernel_array

if TYPE_CHECKING:
    from core.arrays import Int64Array


def starts(counts: Int64Array) -> Int64Array:
    """Return where each group begins, and after the last where all end: int64[n + 1]."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])


def expand_ranges(first: Int64Array, counts: Int64Array) -> Int64Array:
    """Return counts[i] integers from first[i] on, for each i, concatenated."""
    expanded = np.empty(counts.sum(dtype=np.int64), np.int64)
    fill_ranges(kernel_array(first, np.int64), kernel_array(counts, np.int64), expanded)
    return expanded


def members_of(counts: Int64Array, groups: Int64Array) -> Int64Array:
    """Return where the members of some groups stand, when groups of such sizes are in a row.

    Args:
        counts: int64[n], size of each group.
        groups: int64[m], the groups asked for, in any order.
    """
    return expand_ranges(starts(counts)[:-1][groups], counts[groups])


@kernel
def fill_ranges(first: Int64Array, counts: Int64Array, expanded: Int64Array) -> None:
    """Write counts[i] integers from first[i] on, for each i."""
    place = 0
    for group in range(len(counts)):
        for member in range(counts[group]):
            expanded[place] = first[group] + member
            place += 1
