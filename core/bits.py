"""Flags packed into words, for kernels that look at many of them at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from core.kernel import kernel_array

if TYPE_CHECKING:
    from core.arrays import BoolArray, UInt64Array

WORD_BITS: Final = 64


def pack_words(flags: BoolArray) -> UInt64Array:
    """Return flags as bits: uint64[n, words], least significant bit first, 0 at the end.

    Args:
        flags: bool[n, flags].
    """
    count, width = flags.shape
    padded = np.zeros((count, -(-width // WORD_BITS) * WORD_BITS), np.bool_)
    padded[:, :width] = flags
    return kernel_array(np.packbits(padded, axis=1, bitorder="little").view("<u8"), np.uint64)
