"""Codec of the ledger's messages."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from pagesim.timetravel.v1 import timetravel_pb2

from core.timestamps import decode_timestamp, encode_timestamp
from timetravel.errors import InvalidQuestion
from timetravel.facts.model import EntityKind, FactKind, Op, canonical_json
from timetravel.ledger.questions import HistoricalVersion
from timetravel.ledger.spans import Span
from timetravel.ledger.versions import FactVersion, Subject
from timetravel.rpc.wire import decode_entity_kind, encode_entity_kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.timestamp_pb2 import Timestamp

FindEntity: TypeAlias = Callable[[EntityKind, str], int]
Texts: TypeAlias = Mapping[EntityKind, Mapping[int, str]]

_OPS = {op: timetravel_pb2.Op.ValueType(op.value + 1) for op in Op}
_OPS_BACK = {number: op for op, number in _OPS.items()}


def encode_subject(
    subject: Subject,
) -> tuple[timetravel_pb2.EntityRef | None, timetravel_pb2.DocumentRef | None]:
    """Return a subject as an entity or as a document; the other is None."""
    if subject.kind is None:
        document = timetravel_pb2.DocumentRef(collection=subject.collection, name=subject.name)
        return None, document
    kind = encode_entity_kind(subject.kind)
    return timetravel_pb2.EntityRef(kind=kind, entity_id=subject.entity_id), None


def decode_subject(
    message: timetravel_pb2.FactVersion | timetravel_pb2.GetEntityHistoryRequest,
    find_entity: FindEntity | None = None,
) -> Subject:
    """Return what a message is about.

    Args:
        message: An answer, or a request.
        find_entity: Returns the number of an entity by its external id, in a request; None
            takes the number, which answers always have.

    Raises:
        InvalidQuestion: It names neither an entity nor a document, or an entity twice.
        UnknownEntity: The store does not have the entity.
    """
    if message.HasField("document"):
        return Subject.document(message.document.collection, message.document.name)
    if message.HasField("entity"):
        return decode_entity(message.entity, find_entity)
    raise InvalidQuestion(
        "Neither an entity nor a document is named.",
        remedy="Set `entity` or `document`.",
        field="about",
    )


def decode_entity(
    message: timetravel_pb2.EntityRef | timetravel_pb2.GetEntityRequest,
    find_entity: FindEntity | None,
) -> Subject:
    """Return an entity; see `decode_subject`.

    Raises:
        InvalidQuestion: There is no such kind, or it is named by a number and by a text.
        UnknownEntity: The store does not have it.
    """
    kind = decode_entity_kind(message.kind)
    if find_entity is None or not message.HasField("external_id"):
        return Subject(kind, message.entity_id)
    if message.entity_id:
        raise InvalidQuestion(
            f"The {kind.name.lower()} has a number, {message.entity_id}, and an external id.",
            remedy="Give one of the two.",
            field="external_id",
        )
    return Subject(kind, find_entity(kind, message.external_id))


def decode_fact_kinds(numbers: Iterable[int]) -> frozenset[FactKind]:
    """Return the kinds of numbers.

    Raises:
        InvalidQuestion: One of them is not a kind.
    """
    try:
        return frozenset(FactKind(number) for number in numbers)
    except ValueError as error:
        raise InvalidQuestion(
            f"{error}.",
            remedy=f"Give some of {[kind.name for kind in FactKind]}.",
            field="kinds",
        ) from None


def encode_fact_kinds(
    kinds: Iterable[FactKind],
) -> list[timetravel_pb2.FactKind.ValueType]:
    """Return the kinds as the message has them: the numbers are the same."""
    return [timetravel_pb2.FactKind.ValueType(kind.value) for kind in sorted(kinds)]


def encode_version(version: FactVersion, texts: Texts) -> timetravel_pb2.FactVersion:
    """Return a version as a message.

    Args:
        version: The version.
        texts: Texts of the entities that it names, by kind and number.
    """
    entity, document = encode_subject(version.about)
    if entity is not None and version.about.kind is not None:
        text = texts[version.about.kind].get(version.about.entity_id)
        if text is not None:
            entity.external_id = text
    videos = texts[EntityKind.VIDEO]
    in_value = [videos.get(video, "") for video in version.video_ids] if videos else []
    return timetravel_pb2.FactVersion(
        kind=timetravel_pb2.FactKind.ValueType(version.kind.value),
        entity=entity,
        document=document,
        name=version.name,
        valid_from=encode_timestamp(version.valid_from),
        valid_to=encode_timestamp(version.valid_to),
        known_at=encode_timestamp(version.known_at),
        tx_id=version.tx_id,
        committed_at=encode_timestamp(version.committed_at),
        source=version.source,
        synthetic=version.synthetic,
        op=_OPS[version.op],
        value_json=canonical_json(version.value),
        video_external_ids=in_value if any(in_value) else [],
    )


def decode_version(message: timetravel_pb2.FactVersion) -> FactVersion:
    """Return the version of a message."""
    return FactVersion(
        kind=FactKind(message.kind),
        about=decode_subject(message),
        name=message.name,
        valid_from=_moment(message.valid_from),
        valid_to=_moment(message.valid_to) if message.HasField("valid_to") else None,
        known_at=_moment(message.known_at),
        tx_id=message.tx_id,
        committed_at=_moment(message.committed_at),
        source=message.source,
        synthetic=message.synthetic,
        op=_OPS_BACK[message.op],
        value=json.loads(message.value_json),
    )


def encode_historical(one: HistoricalVersion, texts: Texts) -> timetravel_pb2.HistoricalVersion:
    """Return a version and its spans as a message; see `encode_version`."""
    return timetravel_pb2.HistoricalVersion(
        version=encode_version(one.version, texts),
        visible=[
            timetravel_pb2.TimeSpan(
                since=encode_timestamp(span.since), until=encode_timestamp(span.until)
            )
            for span in one.spans
        ],
        is_visible=one.is_visible,
    )


def decode_historical(message: timetravel_pb2.HistoricalVersion) -> HistoricalVersion:
    """Return the version and spans of a message."""
    return HistoricalVersion(
        decode_version(message.version),
        tuple(
            Span(_moment(span.since), _moment(span.until) if span.HasField("until") else None)
            for span in message.visible
        ),
        message.is_visible,
    )


def _moment(timestamp: Timestamp) -> int:
    return decode_timestamp(timestamp, field="moment")
