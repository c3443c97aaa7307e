"""Reads facts in memory, by the rule of `tests.oracle.resolution` and nothing else.

Every version that may speak is looked through at every question: slow, and easy to see right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.moments import EARLIEST_MICROS
from tests.oracle.resolution import (
    Recorded,
    View,
    visible_events,
    visible_licences,
    visible_version,
)
from timetravel.errors import UnknownDocument, UnknownFeatureGroup
from timetravel.facts.model import EntityKind, EventFact, EventKind, FeatureGroup, JsonValue, Op
from timetravel.reading.reader import (
    AllocationRows,
    AttributeRows,
    AvailabilityBitmaps,
    CatalogueFeatures,
    CatalogueRows,
    DocumentVersion,
    FeatureRows,
    HistoryRows,
    check_catalogue_group,
    check_names,
    digest_listing,
    first_moments,
    moments_per_row,
    newest,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from core.arrays import Int64Array
    from tests.oracle.in_memory import InMemoryFacts
    from timetravel.facts.model import AttributeFact, DocumentFact, FeatureFact
    from timetravel.reading.reader import Identities, Moments


class InMemoryReader:
    """Implements `timetravel.reading.reader.FactReader` over `InMemoryFacts`."""

    def __init__(self, facts: InMemoryFacts, view: View) -> None:
        self._facts = facts
        self._view = view
        self.snapshot = view.snapshot
        self.known_by = view.known_by

    def feature_groups(self) -> Mapping[str, FeatureGroup]:
        """Return the registered feature groups."""
        return dict(sorted(self._facts.groups.items()))

    def features(self, group: str, entity_ids: Identities, at: Moments) -> FeatureRows:
        """Return one vector per row; see `FactReader.features`."""
        described = self._group(group)
        rows = len(entity_ids)
        values = np.full((rows, len(described.fields)), np.nan, dtype=np.float32)
        known_at = np.full(rows, EARLIEST_MICROS, dtype=np.int64)
        valid_from = known_at.copy()
        for row, (entity_id, moment) in enumerate(_rows(entity_ids, at)):
            versions = self._facts.features.get((group, entity_id), [])
            version = visible_version(versions, moment, self._view)
            if version is not None:
                known_at[row] = version.fact.known_at
                valid_from[row] = version.fact.valid_from
                if version.fact.values is not None:
                    values[row] = version.fact.values
        return FeatureRows(described, values, known_at, valid_from)

    def attributes(
        self, kind: EntityKind, entity_ids: Identities, at: Moments, names: Sequence[str]
    ) -> AttributeRows:
        """Return named attributes of each row; see `FactReader.attributes`."""
        check_names(names)
        columns: dict[str, list[JsonValue]] = {name: [] for name in names}
        newest_known_at = np.full(len(entity_ids), EARLIEST_MICROS, dtype=np.int64)
        for row, (entity_id, moment) in enumerate(_rows(entity_ids, at)):
            for name in names:
                versions = self._facts.attributes.get((kind, entity_id, name), [])
                version = visible_version(versions, moment, self._view)
                columns[name].append(version.fact.value if version else None)
                if version:
                    newest_known_at[row] = max(newest_known_at[row], version.fact.known_at)
        return AttributeRows(columns, newest_known_at)

    def allocations(
        self, profile_ids: Identities, at: Moments, tests: Sequence[str]
    ) -> AllocationRows:
        """Return cells of A/B tests of each row; see `allocations.read_allocations`."""
        check_names(tests)
        cells: dict[str, list[str | None]] = {test: [] for test in tests}
        is_known: dict[str, list[bool]] = {test: [] for test in tests}
        newest_known_at = np.full(len(profile_ids), EARLIEST_MICROS, dtype=np.int64)
        for row, (profile_id, moment) in enumerate(_rows(profile_ids, at)):
            for test in tests:
                versions = self._facts.allocations.get((profile_id, test), [])
                version = visible_version(versions, moment, self._view)
                cells[test].append(version.fact.cell if version else None)
                is_known[test].append(version is not None and version.fact.op is Op.ASSERT)
                if version:
                    newest_known_at[row] = max(newest_known_at[row], version.fact.known_at)
        return AllocationRows(
            cells,
            {test: np.array(column, np.bool_) for test, column in is_known.items()},
            newest_known_at,
        )

    def history(
        self,
        profile_ids: Identities,
        at: Moments,
        kinds: Sequence[EventKind] = (),
        max_events: int = 0,
        since: Moments | None = None,
    ) -> HistoryRows:
        """Return the events of each row; see `FactReader.history`."""
        wanted = set(kinds or EventKind)
        first = first_moments(since, len(profile_ids)).tolist()
        offsets, found = [0], list[Recorded[EventFact]]()
        newest_known_at: list[int] = []
        for row, (profile_id, moment) in enumerate(_rows(profile_ids, at)):
            events = [
                version
                for version in self.events_of(profile_id, moment)
                if version.fact.kind in wanted and version.fact.event_at > first[row]
            ]
            found += events[:max_events] if max_events else events
            shown = found[offsets[-1] :]
            newest_known_at.append(
                max((version.fact.known_at for version in shown), default=EARLIEST_MICROS)
            )
            offsets.append(len(found))
        facts = [version.fact for version in found]
        values = [np.nan if fact.value is None else fact.value for fact in facts]
        return HistoryRows(
            np.array(offsets, dtype=np.int64),
            np.array([fact.video_id for fact in facts], dtype=np.int64),
            np.array([fact.event_at for fact in facts], dtype=np.int64),
            np.array([fact.kind for fact in facts], dtype=np.int8),
            np.array(values, dtype=np.float32),
            np.array(newest_known_at, dtype=np.int64),
        )

    def events_of(self, profile_id: int, at: int) -> list[Recorded[EventFact]]:
        """Return the visible events of a profile, newest first."""
        versions = (
            version
            for event_id in self._facts.event_ids.get(profile_id, ())
            for version in self._facts.events[event_id]
        )
        return [
            version
            for version in visible_events(versions, at, self._view)
            if version.fact.profile_id == profile_id
        ]

    def catalogue(self, at: int, names: Sequence[str]) -> CatalogueRows:
        """Return the listing with attributes; see `FactReader.catalogue`."""
        video_ids = self._listing()
        rows = self.attributes(EntityKind.VIDEO, video_ids, at, names)
        versions = [
            version
            for (kind, _, name), found in self._facts.attributes.items()
            if kind is EntityKind.VIDEO and name in names
            for version in found
        ]
        return CatalogueRows(
            digest_listing(video_ids),
            video_ids,
            rows.columns,
            self._next_change(_edges(versions), at),
            newest(rows.newest_known_at),
        )

    def catalogue_features(self, group: str, at: int) -> CatalogueFeatures:
        """Return a feature group for the listing; see `FactReader.catalogue_features`."""
        check_catalogue_group(self._group(group))
        video_ids = self._listing()
        rows = self.features(group, video_ids, at)
        versions = [
            version
            for (name, _), found in self._facts.features.items()
            if name == group
            for version in found
        ]
        return CatalogueFeatures(
            digest_listing(video_ids),
            rows.group,
            rows.values,
            self._next_change(_edges(versions), at),
            rows.newest_known_at,
        )

    def availability(self, at: int) -> AvailabilityBitmaps:
        """Return licences of the listing; see `FactReader.availability`."""
        video_ids = self._listing()
        windows = [version for found in self._facts.licences.values() for version in found]
        facts = [version.fact for version in visible_licences(windows, at, self._view)]
        countries = tuple(sorted({fact.country for fact in facts}))
        licensed = {(fact.country, fact.video_id) for fact in facts}
        available = np.array(
            [
                [(country, video_id) in licensed for video_id in video_ids.tolist()]
                for country in countries
            ],
            dtype=np.bool_,
        ).reshape(len(countries), len(video_ids))
        # A correction changes the answer as soon as it is known, wherever it puts the window.
        edges = [
            (edge, version.fact.known_at, version.tx_id)
            for version in windows
            for edge in (version.fact.valid_from, version.fact.valid_to, EARLIEST_MICROS)
        ]
        return AvailabilityBitmaps(
            digest_listing(video_ids),
            countries,
            available,
            self._next_change(edges, at),
            max((fact.known_at for fact in facts), default=EARLIEST_MICROS),
        )

    def document(self, collection: str, name: str, at: int) -> DocumentVersion:
        """Return a document as it stood; see `FactReader.document`."""
        versions = self._facts.documents.get((collection, name), [])
        version = visible_version(versions, at, self._view)
        if version is None or version.fact.body is None:
            raise UnknownDocument(
                f"No version of {collection}/{name} was known.",
                remedy="Append one, or ask for a later moment.",
                field="name",
            )
        return DocumentVersion(
            version.fact.body,
            version.fact.schema_version,
            self._next_change(_edges(versions), at),
            version.fact.known_at,
        )

    def _group(self, name: str) -> FeatureGroup:
        group = self._facts.groups.get(name)
        if group is None:
            raise UnknownFeatureGroup(
                f"There is no feature group {name!r}.",
                remedy="Register it first.",
                field="group",
            )
        return group

    def _listing(self) -> Int64Array:
        listed = {
            entity_id
            for (kind, entity_id, _), versions in self._facts.attributes.items()
            if kind is EntityKind.VIDEO
            and any(version.tx_id <= self.snapshot for version in versions)
        }
        return np.array(sorted(listed), dtype=np.int64)

    def _next_change(self, edges: Iterable[tuple[int, int, int]], at: int) -> int | None:
        """Return the first change after a moment, given valid edge, known_at and tx_id."""
        instants = {
            max(edge, known_at) if self.known_by is None else edge
            for edge, known_at, tx_id in edges
            if tx_id <= self.snapshot and (self.known_by is None or known_at <= self.known_by)
        }
        return min((instant for instant in instants if instant > at), default=None)


def _rows(identities: Identities, at: Moments) -> Iterable[tuple[int, int]]:
    moments = moments_per_row(at, len(identities)).tolist()
    return zip((int(identity) for identity in identities), moments, strict=True)


def _edges(
    versions: Iterable[Recorded[FeatureFact]]
    | Iterable[Recorded[AttributeFact]]
    | Iterable[Recorded[DocumentFact]],
) -> list[tuple[int, int, int]]:
    return [
        (version.fact.valid_from, version.fact.known_at, version.tx_id) for version in versions
    ]
