"""Removes seen videos from eligible ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.kernel import kernel

if TYPE_CHECKING:
    from core.arrays import BoolArray, Int32Array, Int64Array, UInt8Array


@kernel
def clear_seen(
    bitmaps: UInt8Array,
    event_starts: Int64Array,
    positions: Int32Array,
    is_seen: BoolArray,
    cleared: Int32Array,
    cleared_counts: Int64Array,
) -> int:
    """Clear the bits of seen videos and tell which bits those were.

    Args:
        bitmaps: uint8[pages, bytes], changed.
        event_starts: int64[pages + 1] into the events.
        positions: int32[events], catalogue position; -1 when the video is not listed.
        is_seen: bool[events], whether the event means that the video was seen.
        cleared: int32[>= events], written: cleared positions, ascending within a page.
        cleared_counts: int64[pages], written.

    Returns:
        The number of cleared positions.
    """
    written = 0
    for page in range(len(bitmaps)):
        begin = written
        for event in range(event_starts[page], event_starts[page + 1]):
            position = positions[event]
            if position < 0 or not is_seen[event]:
                continue
            bit = np.uint8(1 << (position & 7))
            if bitmaps[page, position >> 3] & bit:
                bitmaps[page, position >> 3] &= ~bit
                cleared[written] = position
                written += 1
        cleared[begin:written].sort()
        cleared_counts[page] = written - begin
    return written
