"""The videos nearest to a seed, kept: they depend on the catalogue alone, not on the page."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from services.assembler.rows.candidates import Nearest, find_nearest

if TYPE_CHECKING:
    from core.arrays import Int32Array, Int64Array
    from services.assembler.rows.candidates import Contents

KEPT_VIDEOS: Final = 512
"""Videos kept for each seed. A page that may show too few of them looks at all."""
KEPT_SEEDS: Final = 4_096
"""Seeds for which they are kept: at most 8 MiB for each catalogue, of which 16 are held."""


class _Table(NamedTuple):
    """What is kept; rows of seeds that are known are never written again."""

    places: Int32Array
    videos: Int32Array
    sizes: Int64Array
    known: int


class NearestVideos:
    """Keep the nearest videos of the seeds of one catalogue; safe to share between threads."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._lock = Lock()
        count = len(contents.numbers)
        self._table = _Table(
            places=np.full(count, -1, np.int32),
            videos=np.empty((0, min(KEPT_VIDEOS, count)), np.int32),
            sizes=np.empty(0, np.int64),
            known=0,
        )

    def of(self, seeds: Int32Array) -> Nearest:
        """Return what is kept, of these seeds too unless there are too many.

        Args:
            seeds: int32, catalogue positions; any of them may come several times.
        """
        table = self._table
        missing = np.unique(seeds[table.places[seeds] < 0])
        if len(missing) and table.known < KEPT_SEEDS:
            table = self._learn(missing)
        return Nearest(table.places, table.videos, table.sizes)

    def _learn(self, seeds: Int32Array) -> _Table:
        with self._lock:
            places, videos, sizes, known = self._table
            new = seeds[places[seeds] < 0][: KEPT_SEEDS - known]
            if known + len(new) > len(sizes):
                room = min(max(2 * len(sizes), known + len(new), 64), KEPT_SEEDS)
                videos = np.concatenate(
                    [videos[:known], np.empty((room - known, videos.shape[1]), np.int32)]
                )
                sizes = np.concatenate([sizes[:known], np.empty(room - known, np.int64)])
            places = places.copy()
            places[new] = np.arange(known, known + len(new), dtype=np.int32)
            find_nearest(self._contents, new, videos[known:], sizes[known:])
            self._table = _Table(places, videos, sizes, known + len(new))
            return self._table
