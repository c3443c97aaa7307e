"""Finds visible versions in sorted arrays: the rule of `queries.visibility`, compiled.

Versions lie side by side per key, sorted by valid_from, known_at and tx_id (CSR: key i owns
versions offsets[i] to offsets[i + 1]). Walking backwards from T, the first version of each
valid_from that was known by K speaks for it; the first spokesman that does not retract is
visible. On clean facts that is one binary search and one step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from core.kernel import kernel

if TYPE_CHECKING:
    from core.arrays import Int8Array, Int64Array

NOTHING: Final = -1
"""The place of a version where none is visible."""

# Kernels are cached per file and take constants from it alone: see `core.kernel`.
_ASSERT: Final = 0
_RETRACT: Final = 2


@kernel
def find_visible(
    offsets: Int64Array,
    valid_from: Int64Array,
    known_at: Int64Array,
    ops: Int8Array,
    places: Int64Array,
    at: Int64Array,
    known_by: Int64Array,
    found: Int64Array,
) -> None:
    """Find the visible version of each row.

    Args:
        offsets: int64[keys + 1].
        valid_from: int64[versions].
        known_at: int64[versions].
        ops: int8[versions].
        places: int64[rows], key of each row, or below 0 for a key that is not there.
        at: int64[rows], T.
        known_by: int64[rows], K.
        found: int64[rows], filled with places of versions or NOTHING.
    """
    for row in range(len(places)):
        found[row] = -1
        if places[row] < 0:
            continue
        first = offsets[places[row]]
        low, high = first, offsets[places[row] + 1]
        while low < high:
            middle = (low + high) // 2
            if valid_from[middle] <= at[row]:
                low = middle + 1
            else:
                high = middle
        version = low - 1
        while version >= first:
            if known_at[version] > known_by[row]:
                version -= 1
            elif ops[version] != _RETRACT:
                found[row] = version
                break
            else:
                retracted = valid_from[version]
                while version >= first and valid_from[version] == retracted:
                    version -= 1


@kernel
def find_events(
    offsets: Int64Array,
    event_at: Int64Array,
    known_at: Int64Array,
    superseded_at: Int64Array,
    ops: Int8Array,
    kinds: Int8Array,
    places: Int64Array,
    at: Int64Array,
    known_by: Int64Array,
    kind_mask: np.int64,
    max_events: np.int64,
    found: Int64Array,
    counts: Int64Array,
) -> None:
    """Find the visible events of each row, newest first.

    Args:
        offsets: int64[profiles + 1].
        event_at: int64[versions], ascending within a profile.
        known_at: int64[versions].
        superseded_at: int64[versions], known_at of the next version of the same event.
        ops: int8[versions].
        kinds: int8[versions].
        places: int64[rows], profile of each row, or below 0 for one that is not there.
        at: int64[rows], T.
        known_by: int64[rows], K.
        kind_mask: Bit per kind that is wanted.
        max_events: The newest so many of each row.
        found: int64[], filled with places of versions, row after row; of length 0 to count.
        counts: int64[rows], filled with the events of each row.
    """
    filled = 0
    for row in range(len(places)):
        counts[row] = 0
        if places[row] < 0:
            continue
        first = offsets[places[row]]
        low, high = first, offsets[places[row] + 1]
        while low < high:
            middle = (low + high) // 2
            if event_at[middle] <= at[row]:
                low = middle + 1
            else:
                high = middle
        version = low - 1
        while version >= first and counts[row] < max_events:
            if (
                known_at[version] <= known_by[row] < superseded_at[version]
                and ops[version] == _ASSERT
                and (kind_mask >> kinds[version]) & 1
            ):
                if len(found):
                    found[filled] = version
                    filled += 1
                counts[row] += 1
            version -= 1


def find_places(keys: Int64Array, wanted: Int64Array) -> Int64Array:
    """Return the place of each wanted key among ascending keys, NOTHING where it is not."""
    if not len(keys):
        return np.full(len(wanted), NOTHING, np.int64)
    places = np.searchsorted(keys, wanted)
    places[places == len(keys)] = 0
    places[keys[places] != wanted] = NOTHING
    return places.astype(np.int64, copy=False)
