"""Moments at which facts that are already known begin or cease to be true."""

from __future__ import annotations

import heapq
from typing import Final

FOREVER_MICROS: Final = 2**63 - 1
"""Stands for "never" where a next moment is asked for."""


class Edges:
    """Keep moments, and say which comes next. Time must not go back."""

    def __init__(self) -> None:
        self._heap: list[int] = []
        self._kept: set[int] = set()

    def add(self, moment: int) -> None:
        """Keep a moment."""
        if moment not in self._kept:
            self._kept.add(moment)
            heapq.heappush(self._heap, moment)

    def next_after(self, moment: int) -> int:
        """Return the first kept moment after the given one; drop those until then."""
        while self._heap and self._heap[0] <= moment:
            self._kept.discard(heapq.heappop(self._heap))
        return self._heap[0] if self._heap else FOREVER_MICROS
