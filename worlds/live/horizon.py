"""Until when shared facts stay unchanged, given what the live system will write next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from timetravel.facts.model import AttributeFact, AvailabilityFact, DocumentFact, EntityKind
from worlds.live.validity_edges import FOREVER_MICROS, Edges

if TYPE_CHECKING:
    from core.arrays import Int64Array
    from timetravel.facts.model import Fact
    from worlds.features.schedule import Grid
    from worlds.timeline import Timeline


class Horizon:
    """Say when answers about the whole catalogue may next change. Time must not go back.

    They change when a fact about the catalogue becomes known, when one that is known begins
    or ceases to be true, and when a job delivers features of videos. The listing is part of
    all of them but documents.

    Args:
        timeline: Whose facts will become known.
        video_grid: On which the jobs run.
    """

    def __init__(self, timeline: Timeline, video_grid: Grid) -> None:
        self._attributes_known = timeline.catalogue_moments()
        self._licences_known = timeline.availability_moments()
        self._documents_known = timeline.document_moments()
        self._video_grid = video_grid
        self._attribute_edges = Edges()
        self._licence_edges = Edges()
        self._document_edges = Edges()

    def learn(self, fact: Fact) -> None:
        """Note when a fact that is known now begins or ceases to be true."""
        if isinstance(fact, AvailabilityFact):
            self._licence_edges.add(fact.valid_from)
            self._licence_edges.add(fact.valid_to)
        elif isinstance(fact, AttributeFact) and fact.kind is EntityKind.VIDEO:
            self._attribute_edges.add(fact.valid_from)
        elif isinstance(fact, DocumentFact):
            self._document_edges.add(fact.valid_from)

    def catalogue(self, at: int) -> int | None:
        """Return the first moment after `at` at which listing or attributes may change."""
        return _earliest(*self._catalogue(at))

    def availability(self, at: int) -> int | None:
        """Return the first moment after `at` at which licences may change."""
        known = _next(self._licences_known, at)
        return _earliest(known, self._licence_edges.next_after(at), *self._catalogue(at))

    def features(self, at: int) -> int | None:
        """Return the first moment after `at` at which features of videos may change."""
        return _earliest(self._video_grid.next_delivery(at), *self._catalogue(at))

    def documents(self, at: int) -> int | None:
        """Return the first moment after `at` at which documents may change."""
        known = _next(self._documents_known, at)
        return _earliest(known, self._document_edges.next_after(at))

    def _catalogue(self, at: int) -> tuple[int, int]:
        return _next(self._attributes_known, at), self._attribute_edges.next_after(at)


def _next(ascending: Int64Array, at: int) -> int:
    place = int(np.searchsorted(ascending, at, side="right"))
    return int(ascending[place]) if place < len(ascending) else FOREVER_MICROS


def _earliest(*moments: int) -> int | None:
    earliest = min(moments)
    return None if earliest == FOREVER_MICROS else earliest
