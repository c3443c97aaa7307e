"""Reads facts as the live system does: everything in the store is known.

On purpose this shares no SQL with the as-of path, which simulated pages are read through: no
bound on `known_at`, none on the transaction, nothing but the schema in common. Pages logged
from here can therefore show an error there.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from core.moments import EARLIEST_MICROS
from timetravel.database.registry import read_registry
from timetravel.errors import UnknownDocument
from timetravel.facts.model import EntityKind, EventKind, FeatureGroup, JsonValue, Op
from timetravel.reading.reader import (
    AttributeRows,
    AvailabilityBitmaps,
    CatalogueFeatures,
    CatalogueRows,
    DocumentVersion,
    FeatureRows,
    HistoryRows,
    check_catalogue_group,
    check_names,
    check_text,
    digest_listing,
    first_moments,
    moments_per_row,
    newest,
)
from timetravel.reading.result_rows import (
    availability_bitmaps,
    feature_rows,
    history_rows,
    moment_column,
    parse_json,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import sqlalchemy as sa

    from core.arrays import Int64Array
    from timetravel.database.engine import Connect
    from timetravel.queries.live_queries import CurrentQuestions
    from timetravel.reading.reader import Identities, Moments

_MOMENT_PLACE: Final = 1
"""Where an event found has its moment."""
_KIND_PLACE: Final = 2
"""Where it has its kind."""


class CurrentReader:
    """Implements `timetravel.reading.reader.FactReader` for the live system.

    Nothing is promised about later moments: `unchanged_until` is the moment asked for.

    Args:
        connect: Opens a transaction that reads, or lends the one that is being written.
        questions: The statements of that database.
    """

    def __init__(self, connect: Connect, questions: CurrentQuestions) -> None:
        self._connect = connect
        self._questions = questions

    def feature_groups(self) -> Mapping[str, FeatureGroup]:
        """Return all registered feature groups."""
        with self._connect() as connection:
            return read_registry(connection).describe()

    def features(self, group: str, entity_ids: Identities, at: Moments) -> FeatureRows:
        """Return one vector per row; see `FactReader.features`."""
        moments = moments_per_row(at, len(entity_ids)).tolist()
        with self._connect() as connection:
            registered = read_registry(connection)[group]
            found: list[Any] = []
            for entity_id, moment in zip(entity_ids, moments, strict=True):
                rows = self._questions.feature.ask(
                    connection,
                    group_id=registered.group_id,
                    entity_id=int(entity_id),
                    moment=moment,
                )
                found += rows or [(None, None, None, None)]
        return feature_rows(registered, found)

    def attributes(
        self, kind: EntityKind, entity_ids: Identities, at: Moments, names: Sequence[str]
    ) -> AttributeRows:
        """Return named attributes of each row; see `FactReader.attributes`."""
        check_names(names)
        moments = moments_per_row(at, len(entity_ids)).tolist()
        newest_known_at = np.full(len(entity_ids), EARLIEST_MICROS, dtype=np.int64)
        columns: dict[str, Sequence[JsonValue]] = {}
        with self._connect() as connection:
            for name in names:
                texts: list[str | None] = []
                for row, (entity_id, moment) in enumerate(
                    zip(entity_ids, moments, strict=True)
                ):
                    found = self._questions.attribute.ask(
                        connection,
                        kind=kind.value,
                        entity_id=int(entity_id),
                        name=name,
                        moment=moment,
                    )
                    text, known_at = found[0] if found else (None, EARLIEST_MICROS)
                    texts.append(text)
                    newest_known_at[row] = max(newest_known_at[row], known_at)
                columns[name] = parse_json(texts)
        return AttributeRows(columns, newest_known_at)

    def history(
        self,
        profile_ids: Identities,
        at: Moments,
        kinds: Sequence[EventKind] = (),
        max_events: int = 0,
        since: Moments | None = None,
    ) -> HistoryRows:
        """Return the events of each row; see `FactReader.history`."""
        moments = moments_per_row(at, len(profile_ids)).tolist()
        first = first_moments(since, len(profile_ids)).tolist()
        wanted = {kind.value for kind in kinds or EventKind}
        found: list[Any] = []
        with self._connect() as connection:
            for row, (profile_id, moment) in enumerate(zip(profile_ids, moments, strict=True)):
                events = [
                    (row, *event)
                    for event in self._questions.events.ask(
                        connection, profile_id=int(profile_id), moment=moment
                    )
                    if event[_KIND_PLACE] in wanted and event[_MOMENT_PLACE] > first[row]
                ]
                found += events[:max_events] if max_events else events
        return history_rows(len(profile_ids), found)

    def entity_ids(self, kind: EntityKind) -> Int64Array:
        """Return every entity that has an attribute fact, ascending."""
        with self._connect() as connection:
            return self._listing(connection, kind)

    def catalogue(self, at: int, names: Sequence[str]) -> CatalogueRows:
        """Return the listing with attributes; see `FactReader.catalogue`."""
        check_names(names)
        columns: dict[str, Sequence[JsonValue]] = {}
        newest_known_at = EARLIEST_MICROS
        with self._connect() as connection:
            video_ids = self._listing(connection, EntityKind.VIDEO)
            for name in names:
                found = self._questions.catalogue_attribute.ask(
                    connection, name=name, moment=at
                )
                texts, known_at = zip(*found, strict=True) if found else ((), ())
                columns[name] = parse_json(texts)
                newest_known_at = max(newest_known_at, newest(moment_column(known_at)))
        return CatalogueRows(digest_listing(video_ids), video_ids, columns, at, newest_known_at)

    def catalogue_features(self, group: str, at: int) -> CatalogueFeatures:
        """Return a feature group for the listing; see `FactReader.catalogue_features`."""
        with self._connect() as connection:
            registered = read_registry(connection)[group]
            check_catalogue_group(registered.group)
            video_ids = self._listing(connection, EntityKind.VIDEO)
            found = self._questions.catalogue_features.ask(
                connection, group_id=registered.group_id, moment=at
            )
        rows = feature_rows(registered, found)
        return CatalogueFeatures(
            digest_listing(video_ids), registered.group, rows.values, at, rows.newest_known_at
        )

    def availability(self, at: int) -> AvailabilityBitmaps:
        """Return licences of the listing; see `FactReader.availability`."""
        with self._connect() as connection:
            video_ids = self._listing(connection, EntityKind.VIDEO)
            found = self._questions.licences.ask(connection, moment=at)
        return availability_bitmaps(video_ids, found, unchanged_until=at)

    def document(self, collection: str, name: str, at: int) -> DocumentVersion:
        """Return a document as it stands; see `FactReader.document`."""
        check_text(collection, field="collection")
        check_text(name, field="name")
        with self._connect() as connection:
            found = self._questions.document.ask(
                connection, collection=collection, name=name, moment=at
            )
        if not found or found[0][0] != Op.ASSERT:
            raise UnknownDocument(
                f"There is no version of {collection}/{name}.",
                remedy="Append one.",
                field="name",
            )
        _, schema_version, text, known_at = found[0]
        body: Mapping[str, JsonValue] = json.loads(text)
        return DocumentVersion(body, schema_version, at, known_at)

    def _listing(self, connection: sa.Connection, kind: EntityKind) -> Int64Array:
        found = self._questions.listing.ask(connection, kind=kind.value)
        return np.fromiter((row[0] for row in found), dtype=np.int64, count=len(found))
