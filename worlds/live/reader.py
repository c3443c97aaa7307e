"""The live system's reader: the store as it is, with a promise how long it stays so."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from timetravel.facts.model import EntityKind, EventKind, FeatureGroup
    from timetravel.reading.reader import (
        AllocationRows,
        AttributeRows,
        AvailabilityBitmaps,
        CatalogueFeatures,
        CatalogueRows,
        DocumentVersion,
        FactReader,
        FeatureRows,
        HistoryRows,
        Identities,
        Moments,
    )
    from worlds.live.catalogue_memory import CatalogueMemory
    from worlds.live.horizon import Horizon


class LiveReader:
    """Implements `timetravel.reading.reader.FactReader` over a transaction's reader.

    The store's own reader promises nothing about later moments. The live system can: only it
    writes, and it knows when it will.

    Args:
        horizon: What the live system knows of the next changes.
        memory: What it remembers of the catalogue.
    """

    def __init__(self, horizon: Horizon, memory: CatalogueMemory) -> None:
        self._horizon = horizon
        self._memory = memory
        self._reader: FactReader | None = None

    def attach(self, reader: FactReader) -> None:
        """Read through another transaction from now on."""
        self._reader = reader

    def feature_groups(self) -> Mapping[str, FeatureGroup]:
        """Return the registered feature groups."""
        return self._store.feature_groups()

    def features(self, group: str, entity_ids: Identities, at: Moments) -> FeatureRows:
        """Return one vector per row."""
        return self._store.features(group, entity_ids, at)

    def attributes(
        self, kind: EntityKind, entity_ids: Identities, at: Moments, names: Sequence[str]
    ) -> AttributeRows:
        """Return the named attributes of each row."""
        return self._store.attributes(kind, entity_ids, at, names)

    def allocations(
        self, profile_ids: Identities, at: Moments, tests: Sequence[str]
    ) -> AllocationRows:
        """Return the cells of the named A/B tests of each row."""
        return self._store.allocations(profile_ids, at, tests)

    def history(
        self,
        profile_ids: Identities,
        at: Moments,
        kinds: Sequence[EventKind] = (),
        max_events: int = 0,
        since: Moments | None = None,
    ) -> HistoryRows:
        """Return the events of each row."""
        return self._store.history(profile_ids, at, kinds, max_events, since)

    def catalogue(self, at: int, names: Sequence[str]) -> CatalogueRows:
        """Return the listing with the named attributes."""
        answer = self._memory.rows(self._store, at, names)
        return replace(answer, unchanged_until=self._horizon.catalogue(at))

    def catalogue_features(self, group: str, at: int) -> CatalogueFeatures:
        """Return one feature group for the whole listing."""
        answer = self._memory.features(self._store, group, at)
        return replace(answer, unchanged_until=self._horizon.features(at))

    def availability(self, at: int) -> AvailabilityBitmaps:
        """Return which videos are licensed where."""
        answer = self._store.availability(at)
        return replace(answer, unchanged_until=self._horizon.availability(at))

    def document(self, collection: str, name: str, at: int) -> DocumentVersion:
        """Return the document as it stands."""
        answer = self._store.document(collection, name, at)
        return replace(answer, unchanged_until=self._horizon.documents(at))

    @property
    def _store(self) -> FactReader:
        if self._reader is None:
            raise AssertionError("no transaction is attached")
        return self._reader
