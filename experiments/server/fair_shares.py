"""Fair shares: whose pages a worker makes next.

Each experiment is served in proportion to nothing but its presence: the one that was served
least comes first (start-time fair queueing, Goyal et al. 1996, with pages as service). One that
comes later begins where the least served is, so that it neither waits for the others nor makes
up for the time before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class FairShares:
    """Count what experiments were served."""

    def __init__(self) -> None:
        self._served: dict[str, float] = {}

    def set_present(self, experiment_ids: Collection[str]) -> None:
        """Take in which experiments have pages to be made."""
        kept = {name: pages for name, pages in self._served.items() if name in experiment_ids}
        least = min(kept.values(), default=0.0)
        self._served = {name: kept.get(name, least) for name in experiment_ids}

    def note_served(self, experiment_id: str, pages: int) -> None:
        """Count pages that were made for an experiment."""
        if experiment_id in self._served:
            self._served[experiment_id] += pages

    def choose(self, working: Mapping[str, int]) -> str | None:
        """Return whose pages are made next; None if there is nobody.

        Args:
            working: How many stacks work for each experiment that could use another one.
        """
        present = [name for name in working if name in self._served]
        return min(
            present, key=lambda name: (working[name], self._served[name], name), default=None
        )

    def is_ahead(self, experiment_id: str, waiting: Collection[str]) -> bool:
        """Return whether an experiment was served more than one that waits for a stack."""
        own = self._served.get(experiment_id, 0.0)
        return any(self._served.get(name, own) < own for name in waiting)
