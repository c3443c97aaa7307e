"""Reads what several stages ask of the same pages only once."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

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

Answer = TypeVar("Answer")


class BatchReader:
    """Pass reads on, and remember what was answered of profiles until told to forget."""

    def __init__(self, reader: FactReader) -> None:
        self._reader = reader
        self._answers: dict[Hashable, object] = {}

    def forget(self) -> None:
        """Drop the remembered answers."""
        self._answers.clear()

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
        return self._once(
            ("attributes", kind, _key(entity_ids), _key(at), tuple(names)),
            lambda: self._reader.attributes(kind, entity_ids, at, names),
        )

    def allocations(
        self, profile_ids: Identities, at: Moments, tests: Sequence[str]
    ) -> AllocationRows:
        """Return the cells of the named A/B tests of each row."""
        return self._once(
            ("allocations", _key(profile_ids), _key(at), tuple(tests)),
            lambda: self._reader.allocations(profile_ids, at, tests),
        )

    def history(
        self,
        profile_ids: Identities,
        at: Moments,
        kinds: Sequence[EventKind] = (),
        max_events: int = 0,
        since: Moments | None = None,
    ) -> HistoryRows:
        """Return the events of each row."""
        first = None if since is None else _key(since)
        return self._once(
            ("history", _key(profile_ids), _key(at), tuple(kinds), max_events, first),
            lambda: self._reader.history(profile_ids, at, kinds, max_events, since),
        )

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

    def _once(self, key: Hashable, read: Callable[[], Answer]) -> Answer:
        if key not in self._answers:
            self._answers[key] = read()
        return cast("Answer", self._answers[key])


def _key(values: Identities | Moments) -> bytes:
    return np.asarray(values, np.int64).tobytes()
