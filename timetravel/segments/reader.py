"""Reads facts from a segment, with the same results as `queries.as_of_reader.AsOfReader`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from core.moments import EARLIEST_MICROS, format_moment
from timetravel.errors import OutsideSegment, UnknownDocument
from timetravel.facts.model import EntityKind
from timetravel.queries import changes
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
    first_moments,
    moments_per_row,
    newest,
)
from timetravel.reading.text_reader import JsonTexts, TextReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from core.arrays import Int64Array
    from timetravel.facts.model import EventKind, FeatureGroup, JsonValue
    from timetravel.queries.as_of_reader import AsOfReader
    from timetravel.reading.reader import Identities, Moments
    from timetravel.segments.segment import Segment


class SegmentReader(TextReader):
    """Implements `FactReader` from a segment; safe to share between threads.

    Args:
        segment: To answer from.
        known_by: Read as known by this moment rather than by each row's own.
        beyond: Answers for profiles that the segment does not hold; as known alike.
    """

    def __init__(
        self,
        segment: Segment,
        *,
        known_by: int | None = None,
        beyond: AsOfReader | None = None,
    ) -> None:
        segment.retained.check_view(segment.origin.snapshot, known_by)
        self._segment = segment
        self._beyond = beyond
        self.snapshot = segment.origin.snapshot
        self.known_by = known_by

    def known_by_moment(self, known_by: int | None) -> SegmentReader:
        """Return a reader of the same segment, as known otherwise."""
        beyond = self._beyond.known_by_moment(known_by) if self._beyond else None
        return SegmentReader(self._segment, known_by=known_by, beyond=beyond)

    def feature_groups(self) -> Mapping[str, FeatureGroup]:
        """Return the feature groups that the snapshot has."""
        return self._segment.registry.describe()

    def features(self, group: str, entity_ids: Identities, at: Moments) -> FeatureRows:
        """Return one vector per row; see `FactReader.features`.

        Raises:
            OutsideSegment: The segment does not hold a profile, and nobody answers beyond.
        """
        described = self._segment.registry[group].group
        ids = np.asarray(entity_ids, np.int64)
        if described.entity_kind is EntityKind.PROFILE:
            beyond = self._reader_beyond(ids)
            if beyond is not None:
                return beyond.features(group, ids, at)
        vectors = self._segment.vectors[group]
        versions = vectors.versions
        found = versions.find(ids, *self._moments(at, len(ids)))
        return FeatureRows(
            described,
            vectors.gather(found),
            _at(versions.known_at, found),
            _at(versions.valid_from, found),
        )

    def attribute_texts(
        self, kind: EntityKind, entity_ids: Identities, at: Moments, names: Sequence[str]
    ) -> tuple[Mapping[str, JsonTexts], Int64Array]:
        """Return attributes as JSON texts, and the newest known_at of each row."""
        check_names(names)
        ids = np.asarray(entity_ids, np.int64)
        if kind is EntityKind.PROFILE:
            beyond = self._reader_beyond(ids)
            if beyond is not None:
                return beyond.attribute_texts(kind, ids, at, names)
        moments, known_by = self._moments(at, len(ids))
        texts: dict[str, JsonTexts] = {}
        newest_known_at = np.full(len(ids), EARLIEST_MICROS, np.int64)
        for name in names:
            attribute = self._segment.attributes.get((kind, name))
            if attribute is None:
                texts[name] = [None] * len(ids)
                continue
            found = attribute.versions.find(ids, moments, known_by)
            texts[name] = attribute.gather(found)
            known_at = _at(attribute.versions.known_at, found)
            np.maximum(newest_known_at, known_at, out=newest_known_at)
        return texts, newest_known_at

    def attribute_names(self, kind: EntityKind, entity_id: int) -> Sequence[str]:
        """Return the names of all attributes that an entity ever had, in order."""
        if kind is EntityKind.PROFILE:
            beyond = self._reader_beyond(np.array([entity_id]))
            if beyond is not None:
                return beyond.attribute_names(kind, entity_id)
        return [
            name
            for (other, name), texts in sorted(self._segment.attributes.items())
            if other is kind and entity_id in texts.versions.keys
        ]

    def history(
        self,
        profile_ids: Identities,
        at: Moments,
        kinds: Sequence[EventKind] = (),
        max_events: int = 0,
        since: Moments | None = None,
    ) -> HistoryRows:
        """Return the events of each row; see `FactReader.history`.

        Raises:
            OutsideSegment: The segment does not hold a profile, and nobody answers beyond.
        """
        ids = np.asarray(profile_ids, np.int64)
        beyond = self._reader_beyond(ids)
        if beyond is not None:
            return beyond.history(ids, at, kinds, max_events, since)
        events = self._segment.events
        found, counts = events.find(ids, *self._moments(at, len(ids)), kinds, max_events)
        if since is not None:
            # Newest first: those after a moment come before the others, limited or not.
            rows = np.repeat(np.arange(len(ids)), counts)
            later = events.event_at[found] > first_moments(since, len(ids))[rows]
            found, counts = found[later], np.bincount(rows[later], minlength=len(ids))
        offsets = np.zeros(len(ids) + 1, np.int64)
        np.cumsum(counts, out=offsets[1:])
        return HistoryRows(
            offsets,
            events.video_ids[found],
            events.event_at[found],
            events.kinds[found],
            events.values[found],
            _newest_per_row(events.known_at[found], offsets),
        )

    def entity_ids(self, kind: EntityKind) -> Int64Array:
        """Return every entity of which the snapshot has an attribute fact, ascending."""
        segment = self._segment
        return segment.video_ids if kind is EntityKind.VIDEO else segment.profile_ids

    def catalogue_texts(
        self, at: int, names: Sequence[str]
    ) -> tuple[Mapping[str, JsonTexts], CatalogueRows]:
        """Return attributes as JSON texts, and the rest of the answer without columns."""
        video_ids = self._segment.video_ids
        texts, known_at = self.attribute_texts(EntityKind.VIDEO, video_ids, at, names)
        subjects = [changes.attribute_subject(name) for name in names]
        return texts, CatalogueRows(
            self._segment.catalogue_version,
            video_ids,
            {},
            self._next_change(subjects, at),
            newest(known_at),
        )

    def catalogue_features(self, group: str, at: int) -> CatalogueFeatures:
        """Return a feature group for the listing; see `FactReader.catalogue_features`."""
        check_catalogue_group(self._segment.registry[group].group)
        rows = self.features(group, self._segment.video_ids, at)
        return CatalogueFeatures(
            self._segment.catalogue_version,
            rows.group,
            rows.values,
            self._next_change([changes.features_subject(group)], at),
            rows.newest_known_at,
        )

    def availability(self, at: int) -> AvailabilityBitmaps:
        """Return licences of the listing; see `FactReader.availability`."""
        self._segment.retained.check_moments(at)
        video_ids, licences = self._segment.video_ids, self._segment.licences
        found = licences.find(at, at if self.known_by is None else self.known_by)
        places = licences.countries[found]
        present = np.unique(places)
        available = np.zeros((len(present), len(video_ids)), np.bool_)
        if len(video_ids):
            licensed = licences.video_ids[found]
            columns = np.minimum(np.searchsorted(video_ids, licensed), len(video_ids) - 1)
            # A video with a licence but without any attribute is not in the catalogue yet.
            listed = video_ids[columns] == licensed
            available[np.searchsorted(present, places[listed]), columns[listed]] = True
        return AvailabilityBitmaps(
            self._segment.catalogue_version,
            tuple(licences.country_names[place] for place in present.tolist()),
            available,
            self._next_change([changes.AVAILABILITY], at),
            newest(licences.known_at[found]),
        )

    def document(self, collection: str, name: str, at: int) -> DocumentVersion:
        """Return a document as it stood; see `FactReader.document`."""
        check_text(collection, field="collection")
        check_text(name, field="name")
        self._segment.retained.check_moments(at)
        document = self._segment.documents.get((collection, name))
        if document is None:
            raise _unknown_document(collection, name, at)
        versions = document.texts.versions
        found = versions.find(np.zeros(1, np.int64), *self._moments(at, 1))
        (text,) = document.texts.gather(found)
        if text is None:
            raise _unknown_document(collection, name, at)
        place = int(found[0])
        body: Mapping[str, JsonValue] = json.loads(text)
        return DocumentVersion(
            body,
            int(document.schema_versions[place]),
            self._next_version(versions.valid_from, versions.known_at, at),
            int(versions.known_at[place]),
        )

    def _moments(self, at: Moments, rows: int) -> tuple[Int64Array, Int64Array]:
        self._segment.retained.check_moments(at)
        moments = moments_per_row(at, rows)
        known_by = self.known_by
        return moments, moments if known_by is None else np.full_like(moments, known_by)

    def _next_change(self, subjects: Iterable[str], at: int) -> int | None:
        noted = (self._segment.changes.get(subject) for subject in subjects)
        instants = (edges.next_after(at, self.known_by) for edges in noted if edges)
        return min((instant for instant in instants if instant is not None), default=None)

    def _next_version(
        self, valid_from: Int64Array, known_at: Int64Array, at: int
    ) -> int | None:
        if self.known_by is None:
            instants = np.maximum(valid_from, known_at)
        else:
            instants = valid_from[known_at <= self.known_by]
        later = instants[instants > at]
        return int(later.min()) if len(later) else None

    def _reader_beyond(self, profile_ids: Int64Array) -> AsOfReader | None:
        """Return who answers for these profiles, None where the segment does."""
        if self._segment.covers(profile_ids):
            return None
        if self._beyond is None:
            raise OutsideSegment(
                f"The segment of snapshot {self.snapshot} holds other profiles than "
                f"{profile_ids[:5].tolist()}.",
                remedy="Ask the store itself, or build a segment that holds them.",
                field="profile_ids",
            )
        return self._beyond


def _at(column: Int64Array, found: Int64Array) -> Int64Array:
    if not len(column):
        return np.full(len(found), EARLIEST_MICROS, np.int64)
    taken: Int64Array = column[np.where(found < 0, 0, found)]
    taken[found < 0] = EARLIEST_MICROS
    return taken


def _newest_per_row(known_at: Int64Array, offsets: Int64Array) -> Int64Array:
    newest_known_at = np.full(len(offsets) - 1, EARLIEST_MICROS, np.int64)
    rows = np.flatnonzero(np.diff(offsets))
    if len(rows):
        newest_known_at[rows] = np.maximum.reduceat(known_at, offsets[:-1][rows])
    return newest_known_at


def _unknown_document(collection: str, name: str, at: int) -> UnknownDocument:
    return UnknownDocument(
        f"No version of {collection}/{name} was known at {format_moment(at)}.",
        remedy="Append one, or ask for a later moment.",
        field="name",
    )
