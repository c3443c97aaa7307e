"""Random draws that depend on seed, purpose and ids, and on nothing else.

So one more film or member in the data changes no other's attributes, whatever the order in
which they are read. The mixing function is SplitMix64 (Steele, Lea and Flood, 2014).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from core.arrays import Float64Array, Int64Array


_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND: Final = np.uint64(0x94D049BB133111EB)
_MANTISSA_BITS: Final = 53


class Draws:
    """Draw numbers for entities.

    Args:
        seed: Of the world.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def uniform(self, purpose: str, *ids: ArrayLike) -> Float64Array:
        """Return a number in [0, 1) for each entity.

        Args:
            purpose: What it is for; other purposes draw independently.
            ids: int64 of one shape, together naming each entity.
        """
        digest = hashlib.sha256(f"{self._seed}\0{purpose}".encode()).digest()
        state = np.asarray(np.uint64(int.from_bytes(digest[:8], "little")))
        for part in ids:
            state = _mix(state ^ np.asarray(part, np.int64).astype(np.uint64))
        state = _mix(state)
        bits = state >> np.uint64(64 - _MANTISSA_BITS)
        return np.asarray(bits, np.float64) / float(1 << _MANTISSA_BITS)

    def integers(self, purpose: str, low: int, high: int, *ids: ArrayLike) -> Int64Array:
        """Return an integer in [low, high] for each entity."""
        drawn = np.floor(self.uniform(purpose, *ids) * (high - low + 1)).astype(np.int64)
        return np.add(drawn, low)

    def choices(self, purpose: str, weights: Sequence[float], *ids: ArrayLike) -> Int64Array:
        """Return the place of one of the weights for each entity."""
        edges = np.cumsum(weights)
        drawn = self.uniform(purpose, *ids) * edges[-1]
        places: Int64Array = np.searchsorted(edges[:-1], drawn, side="right").astype(np.int64)
        return places


def _mix(state: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        mixed = state + _GOLDEN
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
    return mixed ^ (mixed >> np.uint64(31))
