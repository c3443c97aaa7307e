"""Reads facts as of a moment, as known then or at a fixed moment, from a snapshot."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from core.moments import EARLIEST_MICROS, format_moment
from timetravel.database.compiled_query import name_parameters, row_parameters
from timetravel.database.registry import Registry, read_registry
from timetravel.errors import UnknownDocument
from timetravel.facts.model import EntityKind, EventKind, FeatureGroup, JsonValue, Op
from timetravel.queries import changes
from timetravel.queries.event_rows import EventRows
from timetravel.reading.reader import (
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
    moments_per_row,
    newest,
)
from timetravel.reading.result_rows import (
    availability_bitmaps,
    feature_rows,
    history_rows,
    moment_column,
)
from timetravel.reading.retained import EVERYTHING, Retained
from timetravel.reading.text_reader import JsonTexts, TextReader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import sqlalchemy as sa

    from core.arrays import Int64Array
    from timetravel.database.engine import Connect
    from timetravel.queries.as_of_queries import AsOfQuestions
    from timetravel.reading.reader import Identities, Moments


class AsOfReader(TextReader):
    """Implements `timetravel.reading.reader.FactReader` by SQL, as of each row's own moment.

    A fact is visible at T if it was true at T, had become known by T (or by `known_by`, if
    that is given) and had been appended by `snapshot`. Each read is one short transaction,
    so a reader may be shared by threads.

    Args:
        connect: Opens a transaction that reads.
        questions: The statements of that database.
        snapshot: Newest transaction to read.
        known_by: Read as known by this moment rather than by each row's own.
        retained: What may be asked; `connect` refuses to go on when that has changed.
    """

    def __init__(
        self,
        connect: Connect,
        questions: AsOfQuestions,
        *,
        snapshot: int,
        known_by: int | None = None,
        retained: Retained = EVERYTHING,
    ) -> None:
        self._connect = connect
        self._questions = questions
        self._dialect = questions.dialect
        self.snapshot = snapshot
        self.known_by = known_by
        self.retained = retained

    def known_by_moment(self, known_by: int | None) -> AsOfReader:
        """Return a reader of the same snapshot, as known otherwise."""
        self.retained.check_view(self.snapshot, known_by)
        return AsOfReader(
            self._connect,
            self._questions,
            snapshot=self.snapshot,
            known_by=known_by,
            retained=self.retained,
        )

    def feature_groups(self) -> Mapping[str, FeatureGroup]:
        """Return the feature groups that the snapshot has."""
        return self._registry.describe()

    def features(self, group: str, entity_ids: Identities, at: Moments) -> FeatureRows:
        """Return one vector per row; see `FactReader.features`."""
        registered = self._registry[group]
        parameters = self._row_parameters(entity_ids, at)
        with self._connect() as connection:
            found = self._questions.features.ask(
                connection, group_id=registered.group_id, **parameters
            )
        return feature_rows(registered, found)

    def attribute_texts(
        self, kind: EntityKind, entity_ids: Identities, at: Moments, names: Sequence[str]
    ) -> tuple[Mapping[str, JsonTexts], Int64Array]:
        """Return attributes as JSON texts, and the newest known_at of each row."""
        check_names(names)
        with self._connect() as connection:
            found = self._questions.attributes.ask(
                connection,
                kind=kind.value,
                **self._row_parameters(entity_ids, at),
                **name_parameters(self._dialect, names),
            )
        rows = len(entity_ids)
        texts: list[list[str | None]] = [[None] * rows for _ in names]
        known_at = np.full((len(names), rows), EARLIEST_MICROS)
        for row, place, text, known in found:
            texts[place][row] = text
            if known is not None:
                known_at[place, row] = known
        newest_known_at = known_at.max(axis=0, initial=EARLIEST_MICROS)
        return dict(zip(names, texts, strict=True)), newest_known_at

    def attribute_names(self, kind: EntityKind, entity_id: int) -> Sequence[str]:
        """Return the names of all attributes that an entity ever had, in order."""
        with self._connect() as connection:
            found = self._questions.entity_attributes.ask(
                connection, kind=kind.value, entity_id=entity_id, snapshot=self.snapshot
            )
        return [row[0] for row in found]

    def history(
        self,
        profile_ids: Identities,
        at: Moments,
        kinds: Sequence[EventKind] = (),
        max_events: int = 0,
        since: Moments | None = None,
    ) -> HistoryRows:
        """Return the events of each row; see `FactReader.history`."""
        self.retained.check_moments(at)
        rows = EventRows.of(profile_ids, at, self.known_by, kinds, max_events, since)
        with self._connect() as connection:
            found = rows.ask(connection, self._questions.history, self._dialect, self.snapshot)
        return history_rows(len(profile_ids), found)

    def entity_ids(self, kind: EntityKind) -> Int64Array:
        """Return every entity of which the snapshot has an attribute fact, ascending."""
        with self._connect() as connection:
            return self._listing(connection, kind)

    def catalogue_texts(
        self, at: int, names: Sequence[str]
    ) -> tuple[Mapping[str, JsonTexts], CatalogueRows]:
        """Return attributes as JSON texts, and the rest of the answer without columns."""
        check_names(names)
        texts: dict[str, JsonTexts] = {}
        newest_known_at = EARLIEST_MICROS
        with self._connect() as connection:
            video_ids = self._listing(connection, EntityKind.VIDEO)
            for name in names:
                found = self._questions.catalogue_attribute.ask(
                    connection, name=name, **self._moment_parameters(at)
                )
                values, known_at = zip(*found, strict=True) if found else ((), ())
                texts[name] = values
                newest_known_at = max(newest_known_at, newest(moment_column(known_at)))
            unchanged_until = self._next_change(
                connection, [changes.attribute_subject(name) for name in names], at
            )
        return texts, CatalogueRows(
            digest_listing(video_ids), video_ids, {}, unchanged_until, newest_known_at
        )

    def catalogue_features(self, group: str, at: int) -> CatalogueFeatures:
        """Return a feature group for the listing; see `FactReader.catalogue_features`."""
        registered = self._registry[group]
        check_catalogue_group(registered.group)
        with self._connect() as connection:
            video_ids = self._listing(connection, EntityKind.VIDEO)
            found = self._questions.catalogue_features.ask(
                connection, group_id=registered.group_id, **self._moment_parameters(at)
            )
            unchanged_until = self._next_change(
                connection, [changes.features_subject(group)], at
            )
        rows = feature_rows(registered, found)
        return CatalogueFeatures(
            digest_listing(video_ids),
            registered.group,
            rows.values,
            unchanged_until,
            rows.newest_known_at,
        )

    def availability(self, at: int) -> AvailabilityBitmaps:
        """Return licences of the listing; see `FactReader.availability`."""
        with self._connect() as connection:
            video_ids = self._listing(connection, EntityKind.VIDEO)
            found = self._questions.licences.ask(connection, **self._moment_parameters(at))
            unchanged_until = self._next_change(connection, [changes.AVAILABILITY], at)
        return availability_bitmaps(video_ids, found, unchanged_until=unchanged_until)

    def document(self, collection: str, name: str, at: int) -> DocumentVersion:
        """Return a document as it stood; see `FactReader.document`."""
        check_text(collection, field="collection")
        check_text(name, field="name")
        with self._connect() as connection:
            found = self._questions.document.ask(
                connection, collection=collection, name=name, **self._moment_parameters(at)
            )
            unchanged_until = self._questions.changes.next_document_change(
                connection, collection, name, at, known_by=self.known_by, snapshot=self.snapshot
            )
        if not found or found[0][0] != Op.ASSERT:
            raise UnknownDocument(
                f"No version of {collection}/{name} was known at {format_moment(at)}.",
                remedy="Append one, or ask for a later moment.",
                field="name",
            )
        _, schema_version, text, known_at = found[0]
        body: Mapping[str, JsonValue] = json.loads(text)
        return DocumentVersion(body, schema_version, unchanged_until, known_at)

    @cached_property
    def _registry(self) -> Registry:
        with self._connect() as connection:
            return read_registry(connection, self.snapshot)

    def _listing(self, connection: sa.Connection, kind: EntityKind) -> Int64Array:
        found = self._questions.listing.ask(connection, kind=kind.value, snapshot=self.snapshot)
        return np.fromiter((row[0] for row in found), dtype=np.int64, count=len(found))

    def _known_by_per_row(self, moments: Int64Array) -> Int64Array:
        return moments if self.known_by is None else np.full_like(moments, self.known_by)

    def _row_parameters(self, entity_ids: Identities, at: Moments) -> dict[str, object]:
        self.retained.check_moments(at)
        moments = moments_per_row(at, len(entity_ids))
        known_by = self._known_by_per_row(moments)
        entities = np.asarray(entity_ids, dtype=np.int64)
        parameters = row_parameters(self._dialect, entities, moments, known_by)
        return {**parameters, "snapshot": self.snapshot}

    def _moment_parameters(self, at: int) -> dict[str, object]:
        self.retained.check_moments(at)
        known_by = at if self.known_by is None else self.known_by
        return {"moment": at, "known_by": known_by, "snapshot": self.snapshot}

    def _next_change(
        self, connection: sa.Connection, subjects: Sequence[str], at: int
    ) -> int | None:
        return self._questions.changes.next_change(
            connection, subjects, at, known_by=self.known_by, snapshot=self.snapshot
        )
