"""Whole pages in one process: the same stages, without gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from services.assembler.finish import merge_pages
from services.assembler.stage import AssemblerStage
from services.dedup.stage import DedupStage
from services.filtering.stage import FilteringStage
from services.page.inputs import VIDEO_ATTRIBUTES
from services.ranking.stage import RankingStage
from services.shared_facts.batch_reader import BatchReader
from services.shared_facts.facts import CAPACITY, SharedFacts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from core.arrays import Int64Array
    from services.dedup.task import DedupTask, KeptRows
    from services.filtering.task import Eligibility
    from services.page.model import AssembledPages, PageRequests
    from services.ranking.task import RankedRows, RankingTask
    from timetravel.facts.model import JsonValue
    from timetravel.reading.reader import FactReader


class InProcessStages:
    """Filter, rank and dedup in this process."""

    def __init__(self, facts: SharedFacts) -> None:
        self._filtering = FilteringStage(facts)
        self._ranking = RankingStage(facts)
        self._dedup = DedupStage(facts)

    def filter(self, requests: PageRequests) -> Eligibility:
        """Return the eligible videos of each page."""
        return self._filtering.filter(requests)

    def rank(self, task: RankingTask) -> RankedRows:
        """Return the best videos of each row of each page."""
        return self._ranking.rank(task)

    def dedup(self, task: DedupTask) -> KeptRows:
        """Return what stays on each page."""
        return self._dedup.dedup(task)

    def forget(self, *, momentary_only: bool = False) -> None:
        """Drop what was derived from facts."""
        self._filtering.forget(momentary_only=momentary_only)
        self._ranking.forget(momentary_only=momentary_only)


class InProcessAssembler:
    """Assemble pages over any reader, byte for byte like the services behind the mesh.

    What many pages share is kept while the reader promises that it does not change; where it
    promises nothing (live), it is read once per batch. Batches go one at a time.

    Args:
        reader: Where facts are read.
        configuration_overlay: JSON merge patch laid over every configuration document.
    """

    def __init__(
        self,
        reader: FactReader,
        *,
        configuration_overlay: Mapping[str, JsonValue] | None = None,
    ) -> None:
        self._reader = BatchReader(reader)
        self._facts = SharedFacts(
            self._reader,
            attributes=VIDEO_ATTRIBUTES,
            configuration_overlay=configuration_overlay,
        )
        self._stages = InProcessStages(self._facts)
        self._assembler = AssemblerStage(self._facts, self._stages)

    def assemble(self, requests: PageRequests) -> AssembledPages:
        """Return the pages; those that cannot be made stand in its failures.

        Raises:
            PagesimError: The fault does not lie with single pages.
        """
        try:
            parts = [
                (indexes, self._assembler.assemble(requests.take(indexes)))
                for indexes in _split_by_moment(requests.as_of_micros)
            ]
        finally:
            self.forget(momentary_only=True)
        return merge_pages(requests, parts)

    def forget(self, *, momentary_only: bool = False) -> None:
        """Drop what is kept; call it when something else than time changed the facts."""
        self._reader.forget()
        self._facts.forget(momentary_only=momentary_only)
        self._stages.forget(momentary_only=momentary_only)
        self._assembler.forget(momentary_only=momentary_only)


def _split_by_moment(moments: Int64Array) -> Iterator[Int64Array]:
    """Yield the places of moments, as many distinct ones at a time as epochs are kept.

    The stages go over a batch one after the other; so none reads again what one before it has
    read.
    """
    distinct, places = np.unique(moments, return_inverse=True)
    if len(distinct) <= CAPACITY:
        yield np.arange(len(moments))
        return
    chunks = places // CAPACITY
    for chunk in range(-(-len(distinct) // CAPACITY)):
        yield np.flatnonzero(chunks == chunk)
