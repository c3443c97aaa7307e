"""The live system's reader: knows until when its results stay unchanged."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from timetravel.reading.forwarding import ForwardingReader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from timetravel.reading.reader import (
        AvailabilityBitmaps,
        CatalogueFeatures,
        CatalogueRows,
        DocumentVersion,
        FactReader,
    )
    from worlds.live.catalogue_memory import CatalogueMemory
    from worlds.live.horizon import Horizon


class LiveReader(ForwardingReader):
    """Promises for how long answers of a transaction's reader stay as they are.

    The store's own reader promises nothing about later moments. The live system can: only it
    writes, and it knows when it will.

    Args:
        horizon: What the live system knows of the next changes.
        memory: What it remembers of the catalogue.
        reader: Reads through the first transaction.
    """

    def __init__(self, horizon: Horizon, memory: CatalogueMemory, reader: FactReader) -> None:
        super().__init__(reader)
        self._horizon = horizon
        self._memory = memory

    def attach(self, reader: FactReader) -> None:
        """Read through another transaction from now on."""
        self._reader = reader

    def catalogue(self, at: int, names: Sequence[str]) -> CatalogueRows:
        """Return the listing with the named attributes."""
        answer = self._memory.rows(self._reader, at, names)
        return replace(answer, unchanged_until=self._horizon.catalogue(at))

    def catalogue_features(self, group: str, at: int) -> CatalogueFeatures:
        """Return one feature group for the whole listing."""
        answer = self._memory.features(self._reader, group, at)
        return replace(answer, unchanged_until=self._horizon.features(at))

    def availability(self, at: int) -> AvailabilityBitmaps:
        """Return which videos are licensed where."""
        answer = super().availability(at)
        return replace(answer, unchanged_until=self._horizon.availability(at))

    def document(self, collection: str, name: str, at: int) -> DocumentVersion:
        """Return the document as it stands."""
        answer = super().document(collection, name, at)
        return replace(answer, unchanged_until=self._horizon.documents(at))
