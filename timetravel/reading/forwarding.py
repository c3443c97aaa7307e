"""The base class of readers that wrap another reader."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from timetravel.facts.model import EntityKind, EventKind, FeatureGroup
    from timetravel.reading.reader import (
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


class ForwardingReader:
    """Implements `FactReader` by asking another reader; a subclass overrides what differs."""

    def __init__(self, reader: FactReader) -> None:
        self._reader = reader

    def feature_groups(self) -> Mapping[str, FeatureGroup]:
        """Return the registered feature groups."""
        return self._reader.feature_groups()

    def features(self, group: str, entity_ids: Identities, at: Moments) -> FeatureRows:
        """Return one vector per row."""
        return self._reader.features(group, entity_ids, at)

    def attributes(
        self, kind: EntityKind, entity_ids: Identities, at: Moments, names: Sequence[str]
    ) -> AttributeRows:
        """Return the named attributes of each row."""
        return self._reader.attributes(kind, entity_ids, at, names)

    def history(
        self,
        profile_ids: Identities,
        at: Moments,
        kinds: Sequence[EventKind] = (),
        max_events: int = 0,
        since: Moments | None = None,
    ) -> HistoryRows:
        """Return the events of each row."""
        return self._reader.history(profile_ids, at, kinds, max_events, since)

    def catalogue(self, at: int, names: Sequence[str]) -> CatalogueRows:
        """Return the listing with the named attributes."""
        return self._reader.catalogue(at, names)

    def catalogue_features(self, group: str, at: int) -> CatalogueFeatures:
        """Return one feature group for the whole listing."""
        return self._reader.catalogue_features(group, at)

    def availability(self, at: int) -> AvailabilityBitmaps:
        """Return which videos are licensed where."""
        return self._reader.availability(at)

    def document(self, collection: str, name: str, at: int) -> DocumentVersion:
        """Return the visible version of a document."""
        return self._reader.document(collection, name, at)
