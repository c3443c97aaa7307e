"""Servicer of `pagesim.timetravel.v1.TimeTravelService`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from pagesim.timetravel.v1 import timetravel_pb2, timetravel_pb2_grpc

from core.columns import decode_integers, encode_floats, encode_integers
from core.moments import EARLIEST_MICROS, format_moment
from core.timestamps import encode_timestamp
from mesh.call.context import current_context
from timetravel.errors import UnknownEntity
from timetravel.facts.meanings import holds_videos, listed_videos
from timetravel.facts.model import EntityKind, canonical_json
from timetravel.reader_pool import PinnedReaders
from timetravel.reading.allocations import allocated_test, cell_of, read_allocations
from timetravel.rpc.call_moments import first_moments_of, moment_of, moments_of
from timetravel.rpc.ledger_server import LedgerServicer
from timetravel.rpc.ledger_wire import decode_entity
from timetravel.rpc.wire import (
    decode_entity_kind,
    decode_event_kinds,
    encode_allocations,
    encode_group,
    encode_lineage,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import grpc

    from core.arrays import Int64Array
    from timetravel.facts.model import JsonValue
    from timetravel.reader_pool import PastReader
    from timetravel.reading.reader import FeatureRows
    from timetravel.segments.directory import SegmentDirectory
    from timetravel.store import Store


class TimeTravelServicer(LedgerServicer):
    """Answer from a store, as of the moment and on the snapshot of each call's context."""

    def __init__(self, store: Store, segments: SegmentDirectory | None = None) -> None:
        super().__init__(store)
        self._pinned = PinnedReaders(store, segments)

    def GetStore(
        self, request: timetravel_pb2.GetStoreRequest, context: grpc.ServicerContext
    ) -> timetravel_pb2.GetStoreResponse:
        """Describe the store."""
        del request, context
        reader = self._reader()
        groups = reader.feature_groups().values()
        return timetravel_pb2.GetStoreResponse(
            snapshot=reader.snapshot, feature_groups=[encode_group(group) for group in groups]
        )

    def GetEntity(
        self, request: timetravel_pb2.GetEntityRequest, context: grpc.ServicerContext
    ) -> timetravel_pb2.GetEntityResponse:
        """Read one entity, for people."""
        del context
        reader = self._reader()
        kind = decode_entity_kind(request.kind)
        entity_id = decode_entity(request, self._find_entity).entity_id
        at = moment_of(request)
        visible, newest_known_at = _visible_attributes(reader, kind, entity_id, at)
        attributes = {
            name: self._name_videos(value) if holds_videos(kind, name) else value
            for name, value in visible.items()
            if allocated_test(name) is None
        }
        text = self._store.entity_texts(kind, [entity_id]).get(entity_id)
        response = timetravel_pb2.GetEntityResponse(
            external_id=text,
            allocations=[
                timetravel_pb2.Allocation(test=test, cell=cell_of(value))
                for name, value in visible.items()
                if (test := allocated_test(name)) is not None
            ],
        )
        response.attributes.update(attributes)
        for name, group in reader.feature_groups().items():
            if group.entity_kind is kind:
                rows = reader.features(name, [entity_id], at)
                newest_known_at = max(newest_known_at, rows.newest_known_at)
                if not np.isnan(rows.values).all():
                    response.features.append(_feature_values(rows))
        if not response.features and not visible:
            named = entity_id if text is None else repr(text)
            raise UnknownEntity(
                f"Nothing was known of {kind.name.lower()} {named} at {format_moment(at)}.",
                remedy="Name another, or a later moment.",
                field="external_id" if request.HasField("external_id") else "entity_id",
            )
        response.lineage.CopyFrom(encode_lineage(newest_known_at, reader.snapshot))
        return response

    def BatchGetFeatures(
        self, request: timetravel_pb2.BatchGetFeaturesRequest, context: grpc.ServicerContext
    ) -> timetravel_pb2.BatchGetFeaturesResponse:
        """Read feature vectors of many entities."""
        del context
        reader = self._reader()
        entity_ids = decode_integers(request.entity_ids, field="entity_ids")
        moments = moments_of(request.as_of_micros, len(entity_ids))
        rows = reader.features(request.group, entity_ids, moments)
        return timetravel_pb2.BatchGetFeaturesResponse(
            group=encode_group(rows.group),
            values=encode_floats(rows.values),
            known_at_micros=encode_integers(rows.known_at),
            valid_from_micros=encode_integers(rows.valid_from),
            lineage=encode_lineage(rows.newest_known_at, reader.snapshot),
        )

    def BatchGetAttributes(
        self, request: timetravel_pb2.BatchGetAttributesRequest, context: grpc.ServicerContext
    ) -> timetravel_pb2.BatchGetAttributesResponse:
        """Read attributes of many entities."""
        del context
        reader = self._reader()
        entity_ids = decode_integers(request.entity_ids, field="entity_ids")
        moments = moments_of(request.as_of_micros, len(entity_ids))
        kind = decode_entity_kind(request.kind)
        texts, known_at = reader.attribute_texts(kind, entity_ids, moments, request.names)
        return timetravel_pb2.BatchGetAttributesResponse(
            columns=_attribute_columns(texts),
            newest_known_at_micros=encode_integers(known_at),
            lineage=_lineage(known_at, reader),
        )

    def BatchGetAllocations(
        self,
        request: timetravel_pb2.BatchGetAllocationsRequest,
        context: grpc.ServicerContext,
    ) -> timetravel_pb2.BatchGetAllocationsResponse:
        """Read cells of A/B tests of many profiles."""
        del context
        reader = self._reader()
        profile_ids = decode_integers(request.profile_ids, field="profile_ids")
        moments = moments_of(request.as_of_micros, len(profile_ids))
        rows = read_allocations(reader, profile_ids, moments, request.tests)
        return timetravel_pb2.BatchGetAllocationsResponse(
            columns=encode_allocations(rows),
            newest_known_at_micros=encode_integers(rows.newest_known_at),
            lineage=_lineage(rows.newest_known_at, reader),
        )

    def BatchGetHistory(
        self, request: timetravel_pb2.BatchGetHistoryRequest, context: grpc.ServicerContext
    ) -> timetravel_pb2.BatchGetHistoryResponse:
        """Read history events of many profiles."""
        del context
        reader = self._reader()
        profile_ids = decode_integers(request.profile_ids, field="profile_ids")
        moments = moments_of(request.as_of_micros, len(profile_ids))
        kinds = decode_event_kinds(request.kinds)
        since = first_moments_of(request.since_micros, len(profile_ids))
        rows = reader.history(profile_ids, moments, kinds, request.max_events, since)
        return timetravel_pb2.BatchGetHistoryResponse(
            counts=encode_integers(np.diff(rows.offsets)),
            video_ids=encode_integers(rows.video_ids),
            event_at_micros=encode_integers(rows.event_at),
            kinds=encode_integers(rows.kinds),
            values=encode_floats(rows.values),
            newest_known_at_micros=encode_integers(rows.newest_known_at),
            lineage=_lineage(rows.newest_known_at, reader),
        )

    def GetCatalogue(
        self, request: timetravel_pb2.GetCatalogueRequest, context: grpc.ServicerContext
    ) -> timetravel_pb2.GetCatalogueResponse:
        """Read the whole catalogue."""
        del context
        reader = self._reader()
        texts, rows = reader.catalogue_texts(moment_of(request), request.attributes)
        return timetravel_pb2.GetCatalogueResponse(
            catalogue_version=rows.catalogue_version,
            video_ids=encode_integers(rows.video_ids),
            columns=_attribute_columns(texts),
            unchanged_until=encode_timestamp(rows.unchanged_until),
            lineage=encode_lineage(rows.newest_known_at, reader.snapshot),
        )

    def GetCatalogueFeatures(
        self,
        request: timetravel_pb2.GetCatalogueFeaturesRequest,
        context: grpc.ServicerContext,
    ) -> timetravel_pb2.GetCatalogueFeaturesResponse:
        """Read one feature group for the whole catalogue."""
        del context
        reader = self._reader()
        rows = reader.catalogue_features(request.group, moment_of(request))
        return timetravel_pb2.GetCatalogueFeaturesResponse(
            catalogue_version=rows.catalogue_version,
            group=encode_group(rows.group),
            values=encode_floats(rows.values),
            unchanged_until=encode_timestamp(rows.unchanged_until),
            lineage=encode_lineage(rows.newest_known_at, reader.snapshot),
        )

    def GetAvailability(
        self, request: timetravel_pb2.GetAvailabilityRequest, context: grpc.ServicerContext
    ) -> timetravel_pb2.GetAvailabilityResponse:
        """Read which videos are licensed in which countries."""
        del context
        reader = self._reader()
        bitmaps = reader.availability(moment_of(request))
        return timetravel_pb2.GetAvailabilityResponse(
            catalogue_version=bitmaps.catalogue_version,
            countries=bitmaps.countries,
            available=np.packbits(bitmaps.available, axis=1, bitorder="little").tobytes(),
            unchanged_until=encode_timestamp(bitmaps.unchanged_until),
            lineage=encode_lineage(bitmaps.newest_known_at, reader.snapshot),
            videos=bitmaps.available.shape[1],
        )

    def GetDocument(
        self, request: timetravel_pb2.GetDocumentRequest, context: grpc.ServicerContext
    ) -> timetravel_pb2.GetDocumentResponse:
        """Read one document."""
        del context
        reader = self._reader()
        version = reader.document(request.collection, request.name, moment_of(request))
        return timetravel_pb2.GetDocumentResponse(
            body_json=canonical_json(version.body),
            schema_version=version.schema_version,
            unchanged_until=encode_timestamp(version.unchanged_until),
            lineage=encode_lineage(version.newest_known_at, reader.snapshot),
        )

    def FindEntity(
        self, request: timetravel_pb2.FindEntityRequest, context: grpc.ServicerContext
    ) -> timetravel_pb2.FindEntityResponse:
        """Find the number of an entity by its name."""
        del context
        kind = decode_entity_kind(request.kind)
        return timetravel_pb2.FindEntityResponse(
            entity_id=self._find_entity(kind, request.external_id)
        )

    def BatchGetExternalIds(
        self,
        request: timetravel_pb2.BatchGetExternalIdsRequest,
        context: grpc.ServicerContext,
    ) -> timetravel_pb2.BatchGetExternalIdsResponse:
        """Read the texts of many entities."""
        del context
        kind = decode_entity_kind(request.kind)
        entity_ids = decode_integers(request.entity_ids, field="entity_ids").tolist()
        texts = self._store.entity_texts(kind, entity_ids)
        return timetravel_pb2.BatchGetExternalIdsResponse(
            external_ids=[texts.get(entity_id, "") for entity_id in entity_ids]
        )

    def _name_videos(self, value: JsonValue) -> JsonValue:
        """Return a list of videos with texts in place of the numbers that have one."""
        if not isinstance(value, list):
            return value
        texts = self._store.entity_texts(EntityKind.VIDEO, listed_videos(value))
        return [texts.get(one, one) if isinstance(one, int) else one for one in value]

    def _reader(self) -> PastReader:
        return self._reader_of(current_context().snapshot)

    def _reader_of(self, snapshot: int | None) -> PastReader:
        return self._pinned.as_of(snapshot, current_context().known_by_micros)


def add_time_travel(
    server: grpc.Server, store: Store, segments: SegmentDirectory | None = None
) -> None:
    """Serve a store's facts, those of pinned snapshots from segments where there are any."""
    timetravel_pb2_grpc.add_TimeTravelServiceServicer_to_server(
        TimeTravelServicer(store, segments), server
    )


def _visible_attributes(
    reader: PastReader, kind: EntityKind, entity_id: int, at: int
) -> tuple[dict[str, Any], int]:
    names = reader.attribute_names(kind, entity_id)
    texts, known_at = reader.attribute_texts(kind, [entity_id], at, names)
    visible = {name: json.loads(text) for name, (text,) in texts.items() if text is not None}
    return visible, int(known_at[0])


def _feature_values(rows: FeatureRows) -> timetravel_pb2.FeatureValues:
    named = zip(rows.group.fields, rows.values[0].tolist(), strict=True)
    return timetravel_pb2.FeatureValues(
        group=rows.group.name,
        values={field: value for field, value in named if not np.isnan(value)},
        valid_from=encode_timestamp(int(rows.valid_from[0])),
        known_at=encode_timestamp(int(rows.known_at[0])),
    )


def _attribute_columns(
    texts: Mapping[str, Sequence[str | None]],
) -> list[timetravel_pb2.AttributeColumn]:
    return [
        timetravel_pb2.AttributeColumn(name=name, json_values=[text or "" for text in column])
        for name, column in texts.items()
    ]


def _lineage(known_at: Int64Array, reader: PastReader) -> timetravel_pb2.Lineage:
    return encode_lineage(int(known_at.max(initial=EARLIEST_MICROS)), reader.snapshot)
