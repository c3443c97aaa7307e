"""All versions of something at a snapshot, as sorted arrays that answer any moment.

The rule is that of `timetravel.visibility`, applied to whole columns at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from timetravel.model import Op

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Versions:
    """Hold the versions of many keys, sorted by key, valid_from, known_at and tx_id.

    Args:
        keys: int64[versions], which thing each version is about.
        valid_from: int64[versions], microseconds.
        known_at: int64[versions], microseconds.
        ops: int8[versions], numbers of `Op`.
    """

    keys: NDArray[np.int64]
    valid_from: NDArray[np.int64]
    known_at: NDArray[np.int64]
    ops: NDArray[np.int8]

    def visible(self, at: int, known_by: int) -> NDArray[np.int64]:
        """Return the place of the visible version of each key that has one: ascending."""
        counting = np.flatnonzero((self.valid_from <= at) & (self.known_at <= known_by))
        speaking = counting[_ends(self.keys[counting], self.valid_from[counting])]
        standing = speaking[self.ops[speaking] != Op.RETRACT]
        visible: NDArray[np.int64] = standing[_ends(self.keys[standing])]
        return visible


@dataclass(frozen=True, slots=True, eq=False)
class Licences:
    """Hold the versions of licence windows, sorted by window, known_at and tx_id.

    Args:
        windows: int64[versions], which window each version is of.
        known_at: int64[versions], microseconds.
        ops: int8[versions], numbers of `Op`.
        valid_from: int64[versions], microseconds.
        valid_to: int64[versions], microseconds, exclusive.
        video_ids: int64[versions].
        countries: int64[versions], place in `country_names`.
        country_names: Ascending.
    """

    windows: NDArray[np.int64]
    known_at: NDArray[np.int64]
    ops: NDArray[np.int8]
    valid_from: NDArray[np.int64]
    valid_to: NDArray[np.int64]
    video_ids: NDArray[np.int64]
    countries: NDArray[np.int64]
    country_names: tuple[str, ...]

    def visible(self, at: int, known_by: int) -> NDArray[np.int64]:
        """Return the places of the licences in force: ascending."""
        counting = np.flatnonzero(self.known_at <= known_by)
        speaking = counting[_ends(self.windows[counting])]
        in_force = (
            (self.ops[speaking] == Op.ASSERT)
            & (self.valid_from[speaking] <= at)
            & (at < self.valid_to[speaking])
        )
        visible: NDArray[np.int64] = speaking[in_force]
        return visible


def _ends(*columns: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return where a run of equal values ends, over columns taken together."""
    ends = np.zeros(len(columns[0]), np.bool_)
    if len(ends):
        ends[-1] = True
    for column in columns:
        ends[:-1] |= column[1:] != column[:-1]
    return ends
