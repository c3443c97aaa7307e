"""The client of TimeTravelService, for reading facts."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

import grpc
import numpy as np
from pagesim.timetravel.v1 import timetravel_pb2, timetravel_pb2_grpc

from core.columns import decode_floats, decode_integers, encode_integers
from core.errors import InvalidColumn
from core.grpc_status import error_from_call
from core.timestamps import decode_timestamp, encode_timestamp
from timetravel.errors import TimeTravelError
from timetravel.reading.reader import (
    AllocationRows,
    AttributeRows,
    AvailabilityBitmaps,
    CatalogueFeatures,
    CatalogueRows,
    DocumentVersion,
    FeatureRows,
    HistoryRows,
    check_names,
    first_moments,
    moments_per_row,
)
from timetravel.reading.result_rows import parse_json
from timetravel.rpc.wire import (
    decode_allocations,
    decode_group,
    decode_history,
    decode_lineage,
    encode_entity_kind,
    encode_event_kinds,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pagesim.columns.v1.columns_pb2 import IntegerColumn

    from core.arrays import BoolArray, Int64Array
    from timetravel.facts.model import EntityKind, EventKind, FeatureGroup, JsonValue
    from timetravel.reading.reader import Identities, Moments


class TimeTravelClient:
    """Implements `timetravel.reading.reader.FactReader` over gRPC.

    Snapshot and known-by are those of the call's context; moments may not be later than its
    as-of. Calls raise the errors of `timetravel.errors` that the service raised; any other
    failure stays a `grpc.RpcError`. May be shared by threads.

    Args:
        channel: Leads to the service and carries the context, as `mesh.serving.connect` does.
    """

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = timetravel_pb2_grpc.TimeTravelServiceStub(channel)

    def snapshot(self) -> int:
        """Return the transaction that the context pins, or the newest."""
        with own_errors():
            return self._stub.GetStore(timetravel_pb2.GetStoreRequest()).snapshot

    def feature_groups(self) -> Mapping[str, FeatureGroup]:
        """Return the registered feature groups; see `FactReader.feature_groups`."""
        with own_errors():
            response = self._stub.GetStore(timetravel_pb2.GetStoreRequest())
        groups = (decode_group(message) for message in response.feature_groups)
        return {group.name: group for group in groups}

    def features(self, group: str, entity_ids: Identities, at: Moments) -> FeatureRows:
        """Return one vector per row; see `FactReader.features`."""
        rows = len(entity_ids)
        request = timetravel_pb2.BatchGetFeaturesRequest(
            group=group,
            entity_ids=encode_integers(entity_ids),
            as_of_micros=encode_integers(moments_per_row(at, rows)),
        )
        with own_errors():
            response = self._stub.BatchGetFeatures(request)
        described = decode_group(response.group)
        width = len(described.fields)
        values = decode_floats(response.values, field="values", length=rows * width)
        return FeatureRows(
            described,
            values.reshape(rows, width),
            _column(response.known_at_micros, "known_at_micros", rows),
            _column(response.valid_from_micros, "valid_from_micros", rows),
        )

    def attributes(
        self, kind: EntityKind, entity_ids: Identities, at: Moments, names: Sequence[str]
    ) -> AttributeRows:
        """Return named attributes of each row; see `FactReader.attributes`."""
        check_names(names)
        rows = len(entity_ids)
        request = timetravel_pb2.BatchGetAttributesRequest(
            kind=encode_entity_kind(kind),
            entity_ids=encode_integers(entity_ids),
            as_of_micros=encode_integers(moments_per_row(at, rows)),
            names=names,
        )
        with own_errors():
            response = self._stub.BatchGetAttributes(request)
        return AttributeRows(
            _json_columns(response.columns, rows),
            _column(response.newest_known_at_micros, "newest_known_at_micros", rows),
        )

    def allocations(
        self, profile_ids: Identities, at: Moments, tests: Sequence[str]
    ) -> AllocationRows:
        """Return cells of A/B tests of each row; see `allocations.read_allocations`."""
        check_names(tests)
        rows = len(profile_ids)
        request = timetravel_pb2.BatchGetAllocationsRequest(
            profile_ids=encode_integers(profile_ids),
            as_of_micros=encode_integers(moments_per_row(at, rows)),
            tests=tests,
        )
        with own_errors():
            return decode_allocations(self._stub.BatchGetAllocations(request), rows)

    def history(
        self,
        profile_ids: Identities,
        at: Moments,
        kinds: Sequence[EventKind] = (),
        max_events: int = 0,
        since: Moments | None = None,
    ) -> HistoryRows:
        """Return the events of each row; see `FactReader.history`."""
        rows = len(profile_ids)
        request = timetravel_pb2.BatchGetHistoryRequest(
            profile_ids=encode_integers(profile_ids),
            as_of_micros=encode_integers(moments_per_row(at, rows)),
            kinds=encode_event_kinds(kinds),
            max_events=max_events,
            since_micros=None if since is None else encode_integers(first_moments(since, rows)),
        )
        with own_errors():
            return decode_history(self._stub.BatchGetHistory(request), rows)

    def catalogue(self, at: int, names: Sequence[str]) -> CatalogueRows:
        """Return the listing with attributes; see `FactReader.catalogue`."""
        check_names(names)
        request = timetravel_pb2.GetCatalogueRequest(
            as_of=encode_timestamp(at), attributes=names
        )
        with own_errors():
            response = self._stub.GetCatalogue(request)
        video_ids = decode_integers(response.video_ids, field="video_ids")
        return CatalogueRows(
            response.catalogue_version,
            video_ids,
            _json_columns(response.columns, len(video_ids)),
            _unchanged_until(response),
            decode_lineage(response.lineage),
        )

    def catalogue_features(self, group: str, at: int) -> CatalogueFeatures:
        """Return a feature group for the listing; see `FactReader.catalogue_features`."""
        request = timetravel_pb2.GetCatalogueFeaturesRequest(
            group=group, as_of=encode_timestamp(at)
        )
        with own_errors():
            response = self._stub.GetCatalogueFeatures(request)
        described = decode_group(response.group)
        values = decode_floats(response.values, field="values")
        return CatalogueFeatures(
            response.catalogue_version,
            described,
            values.reshape(-1, len(described.fields)),
            _unchanged_until(response),
            decode_lineage(response.lineage),
        )

    def availability(self, at: int) -> AvailabilityBitmaps:
        """Return licences of the listing; see `FactReader.availability`."""
        request = timetravel_pb2.GetAvailabilityRequest(as_of=encode_timestamp(at))
        with own_errors():
            response = self._stub.GetAvailability(request)
        return AvailabilityBitmaps(
            response.catalogue_version,
            tuple(response.countries),
            _unpack_bitmaps(response),
            _unchanged_until(response),
            decode_lineage(response.lineage),
        )

    def document(self, collection: str, name: str, at: int) -> DocumentVersion:
        """Return a document as it stood; see `FactReader.document`."""
        request = timetravel_pb2.GetDocumentRequest(
            collection=collection, name=name, as_of=encode_timestamp(at)
        )
        with own_errors():
            response = self._stub.GetDocument(request)
        body: Mapping[str, JsonValue] = json.loads(response.body_json)
        return DocumentVersion(
            body,
            response.schema_version,
            _unchanged_until(response),
            decode_lineage(response.lineage),
        )

    def find_entity(self, kind: EntityKind, external_id: str) -> int:
        """Return the number of an entity by its name; see `Store.find_entity`."""
        request = timetravel_pb2.FindEntityRequest(
            kind=encode_entity_kind(kind), external_id=external_id
        )
        with own_errors():
            return self._stub.FindEntity(request).entity_id

    def entity_texts(self, kind: EntityKind, entity_ids: Identities) -> Mapping[int, str]:
        """Return the texts of those entities that have one; see `Store.entity_texts`."""
        request = timetravel_pb2.BatchGetExternalIdsRequest(
            kind=encode_entity_kind(kind), entity_ids=encode_integers(entity_ids)
        )
        with own_errors():
            texts = self._stub.BatchGetExternalIds(request).external_ids
        numbers = np.asarray(entity_ids, np.int64).tolist()
        return {number: text for number, text in zip(numbers, texts, strict=True) if text}


@contextmanager
def own_errors() -> Iterator[None]:
    """Raise what the service raised as errors of this package; leave other failures alone."""
    try:
        yield
    except grpc.RpcError as failed:
        error = error_from_call(failed)
        if isinstance(error, TimeTravelError):
            raise error from failed
        raise


def _column(column: IntegerColumn, field: str, length: int) -> Int64Array:
    return decode_integers(column, field=field, length=length)


def _json_columns(
    columns: Sequence[timetravel_pb2.AttributeColumn], rows: int
) -> Mapping[str, Sequence[JsonValue]]:
    for column in columns:
        if len(column.json_values) != rows:
            raise InvalidColumn(
                f"The column has {len(column.json_values)} entries, not {rows}.",
                remedy="Columns of one message must have matching lengths.",
                field=column.name,
            )
    return {column.name: parse_json(column.json_values) for column in columns}


def _unpack_bitmaps(response: timetravel_pb2.GetAvailabilityResponse) -> BoolArray:
    countries, videos = len(response.countries), response.videos
    width = -(-videos // 8)
    if len(response.available) != countries * width:
        raise InvalidColumn(
            f"{len(response.available)} bytes are not {countries} bitmaps of {videos} videos.",
            remedy="Send whole bytes for each country.",
            field="available",
        )
    packed = np.frombuffer(response.available, dtype=np.uint8).reshape(countries, width)
    unpacked = np.unpackbits(packed, axis=1, count=videos, bitorder="little")
    return unpacked.astype(np.bool_)


def _unchanged_until(
    response: timetravel_pb2.GetCatalogueResponse
    | timetravel_pb2.GetCatalogueFeaturesResponse
    | timetravel_pb2.GetAvailabilityResponse
    | timetravel_pb2.GetDocumentResponse,
) -> int | None:
    if not response.HasField("unchanged_until"):
        return None
    return decode_timestamp(response.unchanged_until, field="unchanged_until")
