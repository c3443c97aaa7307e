"""Facts in memory: the oracle that stores are held against, and a store for small tests.

Everything is looked through at every question, by the rule of `timetravel.resolution` and
nothing else. Slow, and easy to see right.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from mesh.moments import EARLIEST_MICROS
from timetravel.errors import InvalidFact, UnknownDocument, UnknownFeatureGroup
from timetravel.model import (
    AttributeFact,
    AvailabilityFact,
    DocumentFact,
    EntityKind,
    EventFact,
    EventKind,
    FeatureFact,
    FeatureGroup,
    JsonValue,
    LoggedPageFact,
)
from timetravel.reader import (
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
    moments_per_row,
    newest,
)
from timetravel.resolution import (
    Recorded,
    View,
    visible_events,
    visible_licences,
    visible_version,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from timetravel.model import Fact
    from timetravel.reader import Identities, Moments


class InMemoryFacts:
    """All facts of a store, by key. Logged pages are not read by `FactReader`, so not kept."""

    def __init__(self) -> None:
        self.groups: dict[str, FeatureGroup] = {}
        self.features: dict[tuple[str, int], list[Recorded[FeatureFact]]] = defaultdict(list)
        self.attributes: dict[tuple[EntityKind, int, str], list[Recorded[AttributeFact]]] = (
            defaultdict(list)
        )
        self.documents: dict[tuple[str, str], list[Recorded[DocumentFact]]] = defaultdict(list)
        self.events: list[Recorded[EventFact]] = []
        self.licences: list[Recorded[AvailabilityFact]] = []
        self.newest_tx_id = 0

    def register(self, group: FeatureGroup) -> None:
        """Register a feature group; a later schema version replaces it."""
        self.groups[group.name] = group

    def append(self, facts: Iterable[Fact], *, tx_id: int | None = None) -> int:
        """Append facts as one transaction, and return its id."""
        self.newest_tx_id = tx_id or self.newest_tx_id + 1
        for fact in facts:
            self._keep(fact, self.newest_tx_id)
        return self.newest_tx_id

    def as_of(self, snapshot: int | None = None, known_by: int | None = None) -> InMemoryReader:
        """Return a reader of the past."""
        newest_tx_id = self.newest_tx_id if snapshot is None else snapshot
        return InMemoryReader(self, View(newest_tx_id, known_by))

    def _keep(self, fact: Fact, tx_id: int) -> None:
        match fact:
            case FeatureFact():
                if fact.group not in self.groups:
                    raise UnknownFeatureGroup(
                        f"There is no feature group {fact.group!r}.",
                        remedy="Register it first.",
                        field="group",
                    )
                key = (fact.group, fact.entity_id)
                self.features[key].append(Recorded(fact, tx_id))
            case AttributeFact():
                name = (fact.kind, fact.entity_id, fact.name)
                self.attributes[name].append(Recorded(fact, tx_id))
            case DocumentFact():
                document = (fact.collection, fact.name)
                self.documents[document].append(Recorded(fact, tx_id))
            case EventFact():
                self.events.append(Recorded(fact, tx_id))
            case AvailabilityFact():
                self.licences.append(Recorded(fact, tx_id))
            case LoggedPageFact():
                raise InvalidFact(
                    "Logged pages are not kept in memory.", remedy="Append them to a store."
                )


class InMemoryReader:
    """Implements `timetravel.reader.FactReader` over `InMemoryFacts`."""

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

    def history(
        self,
        profile_ids: Identities,
        at: Moments,
        kinds: Sequence[EventKind] = (),
        max_events: int = 0,
    ) -> HistoryRows:
        """Return the events of each row; see `FactReader.history`."""
        wanted = set(kinds or EventKind)
        offsets, found = [0], list[Recorded[EventFact]]()
        newest_known_at: list[int] = []
        for profile_id, moment in _rows(profile_ids, at):
            events = [
                version
                for version in visible_events(self._facts.events, moment, self._view)
                if version.fact.profile_id == profile_id and version.fact.kind in wanted
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
        facts = [
            version.fact for version in visible_licences(self._facts.licences, at, self._view)
        ]
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
            for version in self._facts.licences
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

    def _listing(self) -> NDArray[np.int64]:
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
