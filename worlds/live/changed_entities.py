"""Entities with new facts."""

from __future__ import annotations

import heapq


class Touched:
    """Collect entities about which a fact came, until the moment at which it is to be seen."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int]] = []

    def add(self, entity_id: int, known_at: int, valid_from: int) -> None:
        """Note that an entity looks different once a fact is known, and once it is true."""
        heapq.heappush(self._heap, (known_at, entity_id))
        if valid_from > known_at:
            heapq.heappush(self._heap, (valid_from, entity_id))

    def take(self, at: int) -> list[int]:
        """Return those that look different by a moment, ascending, and forget them."""
        taken = set()
        while self._heap and self._heap[0][0] <= at:
            taken.add(heapq.heappop(self._heap)[1])
        return sorted(taken)
