"""The protocol of the other stages, in this process or behind the mesh."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from services.dedup.task import DedupTask, KeptRows
    from services.filtering.task import Eligibility
    from services.page.model import PageRequests
    from services.ranking.task import RankedRows, RankingTask


class PageStages(Protocol):
    """Filter, rank and dedup batches of pages."""

    def filter(self, requests: PageRequests) -> Eligibility:
        """Return the eligible videos of each page."""
        ...

    def rank(self, task: RankingTask) -> RankedRows:
        """Return the best videos of each row of each page."""
        ...

    def dedup(self, task: DedupTask) -> KeptRows:
        """Return what stays on each page."""
        ...
