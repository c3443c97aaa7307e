"""Weights of positions on a page and of depths in a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from core.arrays import Float64Array

PERSISTENCE = 0.9
"""Chance that a member who looked at one entry of a list looks at the next."""


def exposure(rows: int, columns: int) -> Float64Array:
    """Return how much each place of a page counts: 1 / log2(row + column), both from 1.

    The two-dimensional discount of NDCG with equal steepness down and across: 1 at the top
    left, the same along an anti-diagonal.

    Returns:
        float64[rows, columns].
    """
    return 1.0 / np.log2(np.add.outer(np.arange(1, rows + 1), np.arange(1, columns + 1)))


def ideal_gains(rows: int, columns: int, titles: int) -> Float64Array:
    """Return the best gain that 1, 2, ..., `titles` played titles can have on a page.

    The best page fills anti-diagonals from the top left. Titles beyond its places gain
    nothing.

    Returns:
        float64[titles].
    """
    best = np.sort(exposure(rows, columns), axis=None)[::-1][:titles]
    return np.cumsum(np.concatenate([best, np.zeros(titles - len(best))]))


def cumulative_agreement(depth: int, persistence: float = PERSISTENCE) -> Float64Array:
    """Return W(d), the sum of p^e / e over e = 1 to d, for d = 0 to `depth`.

    An entry that two lists share from depth m on adds W(k) - W(m - 1) to the sum over depths
    of their agreement, which rank-biased overlap is made of.

    Returns:
        float64[depth + 1].
    """
    depths = np.arange(1, depth + 1)
    return np.concatenate([[0.0], np.cumsum(persistence**depths / depths)])
