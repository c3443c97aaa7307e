"""Reads records of every kind except features."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from timetravel.errors import InvalidFact
from timetravel.facts.meanings import check_event_value, convert_attribute
from timetravel.facts.model import (
    AllocationFact,
    AttributeFact,
    Attribution,
    AvailabilityFact,
    DocumentFact,
    EntityKind,
    EventFact,
    Op,
)
from timetravel.ingest.pages import read_logged_page

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pagesim.ingest.v1 import ingest_pb2

    from timetravel.database.registry import Registry
    from timetravel.facts.model import Fact, JsonValue
    from timetravel.ingest.fields import Fields

    Reader: TypeAlias = Callable[[ingest_pb2.Record, Fields], Fact | None]


def _valid_from(record: ingest_pb2.Record, fields: Fields) -> int:
    given = record.HasField("valid_from")
    return fields.moment("valid_from", record.valid_from, fields.rules.valid_from, given=given)


def _happened_at(record: ingest_pb2.Record, fields: Fields) -> int:
    given = record.HasField("valid_from")
    return fields.moment("valid_from", record.valid_from, fields.rules.past, given=given)


def _known_at(record: ingest_pb2.Record, fields: Fields) -> int:
    given = record.HasField("known_at")
    return fields.moment("known_at", record.known_at, fields.rules.past, given=given)


def _profile(
    field: str,
    message: ingest_pb2.AllocationRecord | ingest_pb2.EventRecord | ingest_pb2.LoggedPageRecord,
    fields: Fields,
) -> int:
    text = message.profile_external_id if message.HasField("profile_external_id") else None
    return fields.entity(field, EntityKind.PROFILE, message.profile_id, text)


def _video(
    field: str,
    message: ingest_pb2.AvailabilityRecord | ingest_pb2.EventRecord,
    fields: Fields,
) -> int:
    text = message.video_external_id if message.HasField("video_external_id") else None
    return fields.entity(field, EntityKind.VIDEO, message.video_id, text)


def _read_attribute(record: ingest_pb2.Record, fields: Fields) -> Fact | None:
    message = record.attribute
    op = fields.op(record.op)
    given = message.HasField("value") and message.value.WhichOneof("kind") is not None
    fields.nothing_but_assert("attribute.value", op, given=given)
    kind = fields.entity_kind("attribute.kind", message.kind)
    name = fields.name("attribute.name", message.name)
    value = _read_value(message.value, fields) if given else None
    if given and fields.are_right():
        convert = partial(convert_attribute, kind, name, names=fields.names)
        value = fields.take("attribute.value", convert, value, None)
    text = message.entity_external_id if message.HasField("entity_external_id") else None
    entity_id = fields.entity("attribute.entity_id", kind, message.entity_id, text)
    moments = _valid_from(record, fields), _known_at(record, fields)
    if not fields.are_right():
        return None
    return AttributeFact(kind, entity_id, name, *moments, value, op)


def _read_value(value: ingest_pb2.Value, fields: Fields) -> JsonValue:
    kind = value.WhichOneof("kind")
    if kind == "json":
        return fields.json("attribute.value.json", value.json)
    if kind == "number":
        return fields.take("attribute.value.number", _finite, value.number, 0.0)
    if kind == "text":
        return fields.take("attribute.value.text", _bounded(fields), value.text, "")
    found: JsonValue = getattr(value, str(kind))
    return found


def _finite(number: float) -> float:
    if not abs(number) < float("inf"):
        raise InvalidFact("A number is finite.", remedy="Say OP_ABSENT where there is none.")
    return number


def _bounded(fields: Fields) -> Callable[[str], str]:
    def check(text: str) -> str:
        if len(text) > fields.rules.limits.json_bytes:
            raise InvalidFact(
                f"{len(text)} characters are more than {fields.rules.limits.json_bytes}.",
                remedy="Shorten it.",
            )
        return text

    return check


def _read_allocation(record: ingest_pb2.Record, fields: Fields) -> Fact | None:
    message = record.allocation
    op = fields.op(record.op)
    given = message.HasField("cell")
    if op is not Op.ASSERT:
        fields.nothing_but_assert("allocation.cell", op, given=given)
    read = (
        _profile("allocation.profile_id", message, fields),
        fields.name("allocation.test", message.test),
        _valid_from(record, fields),
        _known_at(record, fields),
        fields.name("allocation.cell", message.cell) if given else None,
    )
    return AllocationFact(*read, op) if fields.are_right() else None


def _read_availability(record: ingest_pb2.Record, fields: Fields) -> Fact | None:
    message = record.availability
    read = (
        fields.name("availability.window_id", message.window_id),
        _video("availability.video_id", message, fields),
        fields.take("availability.country", fields.rules.country, message.country, ""),
        _valid_from(record, fields),
        fields.moment(
            "availability.valid_to",
            message.valid_to,
            fields.rules.valid_to,
            given=message.HasField("valid_to"),
        ),
        _known_at(record, fields),
        fields.op(record.op),
    )
    return AvailabilityFact(*read) if fields.are_right() else None


def _read_event(record: ingest_pb2.Record, fields: Fields) -> Fact | None:
    message = record.event
    value = None
    if message.HasField("value"):
        value = fields.take("event.value", fields.rules.event_value, message.value, 0.0)
    event = (
        fields.name("event.event_id", message.event_id),
        _profile("event.profile_id", message, fields),
        _happened_at(record, fields),
    )
    kind = fields.event_kind("event.kind", message.kind)
    op = fields.op(record.op)
    if op is Op.ASSERT and fields.are_right():
        fields.take("event.value", partial(check_event_value, kind), value, None)
    read = (
        *event,
        kind,
        _video("event.video_id", message, fields),
        value,
        _known_at(record, fields),
        op,
        _read_attribution(message, fields),
    )
    return EventFact(*read) if fields.are_right() else None


def _read_attribution(message: ingest_pb2.EventRecord, fields: Fields) -> Attribution | None:
    if not message.HasField("attribution"):
        return None
    place = message.attribution
    shown_at = fields.moment(
        "event.attribution.shown_at",
        place.shown_at,
        fields.rules.past,
        given=place.HasField("shown_at"),
    )
    row_id = fields.name("event.attribution.row_id", place.row_id)
    return Attribution(shown_at, row_id, place.position) if fields.are_right() else None


def _read_document(record: ingest_pb2.Record, fields: Fields) -> Fact | None:
    message = record.document
    op = fields.op(record.op)
    given = bool(message.body_json)
    fields.nothing_but_assert("document.body_json", op, given=given)
    read = (
        fields.name("document.collection", message.collection),
        fields.name("document.name", message.name),
        _valid_from(record, fields),
        _known_at(record, fields),
        fields.take(
            "document.schema_version", fields.rules.schema_version, message.schema_version, 1
        ),
        fields.json_object("document.body_json", message.body_json) if given else None,
    )
    return DocumentFact(*read, op) if fields.are_right() else None


def _read_logged_page(
    registry: Registry, record: ingest_pb2.Record, fields: Fields
) -> Fact | None:
    shown_at, known_at = _happened_at(record, fields), _known_at(record, fields)
    return read_logged_page(
        record.logged_page,
        fields,
        registry,
        profile_id=_profile("logged_page.profile_id", record.logged_page, fields),
        shown_at=shown_at,
        known_at=known_at,
        op=fields.op(record.op),
    )


def readers_of(registry: Registry) -> Mapping[str, Reader]:
    """Return readers by field of the oneof `fact`; each returns None where something is wrong.

    Args:
        registry: The feature groups that there are.
    """
    return {
        "attribute": _read_attribute,
        "allocation": _read_allocation,
        "availability": _read_availability,
        "event": _read_event,
        "document": _read_document,
        "logged_page": partial(_read_logged_page, registry),
    }
