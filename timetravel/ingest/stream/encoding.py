"""Encodes facts as the records of a chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from pagesim.ingest.v1 import ingest_pb2
from pagesim.timetravel.v1 import timetravel_pb2

from core.columns import encode_floats, encode_integers
from core.timestamps import encode_timestamp
from timetravel.facts.model import (
    AllocationFact,
    AttributeFact,
    AvailabilityFact,
    DocumentFact,
    EventFact,
    FeatureFact,
    LoggedFeatures,
    LoggedPageFact,
    Op,
    canonical_json,
)
from timetravel.rpc.wire import encode_entity_kind

if TYPE_CHECKING:
    from timetravel.facts.model import Fact, JsonValue

_OPS: Final = {
    Op.ASSERT: timetravel_pb2.OP_ASSERT,
    Op.ABSENT: timetravel_pb2.OP_ABSENT,
    Op.RETRACT: timetravel_pb2.OP_RETRACT,
}


def encode_fact(fact: Fact) -> ingest_pb2.Record:
    """Return a fact as a record."""
    record = ingest_pb2.Record(op=_OPS[fact.op], known_at=encode_timestamp(fact.known_at))
    match fact:
        case FeatureFact():
            values = () if fact.values is None else fact.values.tolist()
            record.feature.CopyFrom(
                ingest_pb2.FeatureRecord(
                    group=fact.group, entity_id=fact.entity_id, values=values
                )
            )
            record.valid_from.CopyFrom(encode_timestamp(fact.valid_from))
        case AttributeFact():
            record.attribute.CopyFrom(
                ingest_pb2.AttributeRecord(
                    kind=encode_entity_kind(fact.kind),
                    entity_id=fact.entity_id,
                    name=fact.name,
                    value=_value(fact.value) if fact.op is Op.ASSERT else None,
                )
            )
            record.valid_from.CopyFrom(encode_timestamp(fact.valid_from))
        case AllocationFact():
            record.allocation.CopyFrom(
                ingest_pb2.AllocationRecord(
                    profile_id=fact.profile_id, test=fact.test, cell=fact.cell
                )
            )
            record.valid_from.CopyFrom(encode_timestamp(fact.valid_from))
        case AvailabilityFact():
            record.availability.CopyFrom(
                ingest_pb2.AvailabilityRecord(
                    window_id=fact.window_id,
                    video_id=fact.video_id,
                    country=fact.country,
                    valid_to=encode_timestamp(fact.valid_to),
                )
            )
            record.valid_from.CopyFrom(encode_timestamp(fact.valid_from))
        case EventFact():
            record.event.CopyFrom(_event(fact))
            record.valid_from.CopyFrom(encode_timestamp(fact.event_at))
        case DocumentFact():
            record.document.CopyFrom(
                ingest_pb2.DocumentRecord(
                    collection=fact.collection,
                    name=fact.name,
                    schema_version=fact.schema_version,
                    body_json="" if fact.body is None else canonical_json(fact.body),
                )
            )
            record.valid_from.CopyFrom(encode_timestamp(fact.valid_from))
        case LoggedPageFact():
            record.logged_page.CopyFrom(_logged_page(fact))
            record.valid_from.CopyFrom(encode_timestamp(fact.shown_at))
        case _:
            assert_never(fact)
    return record


def _event(fact: EventFact) -> ingest_pb2.EventRecord:
    place = fact.attribution
    return ingest_pb2.EventRecord(
        event_id=fact.event_id,
        profile_id=fact.profile_id,
        kind=timetravel_pb2.EventKind.ValueType(fact.kind.value),
        video_id=fact.video_id,
        value=fact.value,
        attribution=None
        if place is None
        else ingest_pb2.Attribution(
            shown_at=encode_timestamp(place.shown_at),
            row_id=place.row_id,
            position=place.position,
        ),
    )


def _logged_page(fact: LoggedPageFact) -> ingest_pb2.LoggedPageRecord:
    asserts = fact.op is Op.ASSERT
    return ingest_pb2.LoggedPageRecord(
        profile_id=fact.profile_id,
        device=fact.device,
        context_json=canonical_json(fact.context) if asserts else "",
        page=fact.page,
        features=[_logged_features(logged) for logged in fact.features],
    )


def _logged_features(logged: LoggedFeatures) -> timetravel_pb2.LoggedFeatures:
    return timetravel_pb2.LoggedFeatures(
        group=logged.group,
        entity_ids=encode_integers(logged.entity_ids),
        values=encode_floats(logged.values),
        known_at_micros=encode_integers(logged.known_at),
        valid_from_micros=encode_integers(logged.valid_from),
    )


def _value(value: JsonValue) -> ingest_pb2.Value:
    match value:
        case bool():
            return ingest_pb2.Value(boolean=value)
        case int() if -(2**63) <= value < 2**63:
            return ingest_pb2.Value(integer=value)
        case float():
            return ingest_pb2.Value(number=value)
        case str():
            return ingest_pb2.Value(text=value)
        case _:
            return ingest_pb2.Value(json=canonical_json(value))
