"""Messages of pagesim.timetravel.v1 that both ends translate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from google.protobuf.timestamp_pb2 import Timestamp
from pagesim.timetravel.v1 import timetravel_pb2

from mesh.moments import EARLIEST_MICROS
from timetravel.errors import InvalidQuestion
from timetravel.model import FIRST_MICROS, LAST_MICROS, EntityKind, EventKind, FeatureGroup

if TYPE_CHECKING:
    from collections.abc import Sequence

_MICROS_PER_SECOND: Final = 1_000_000
_NANOS_PER_MICRO: Final = 1_000


def encode_moment(micros: int | None) -> Timestamp | None:
    """Return a moment as a timestamp; None stays None."""
    if micros is None:
        return None
    seconds, rest = divmod(micros, _MICROS_PER_SECOND)
    return Timestamp(seconds=seconds, nanos=rest * _NANOS_PER_MICRO)


def decode_moment(timestamp: Timestamp, *, field: str) -> int:
    """Return a timestamp in microseconds; a part of one is dropped.

    Raises:
        InvalidQuestion: It lies outside the years 1 to 9999.
    """
    micros = timestamp.seconds * _MICROS_PER_SECOND + timestamp.nanos // _NANOS_PER_MICRO
    check_moment(micros, field=field)
    return micros


def check_moment(micros: int, *, field: str) -> None:
    """Refuse a moment that no calendar has.

    Raises:
        InvalidQuestion: It lies outside the years 1 to 9999.
    """
    if not FIRST_MICROS <= micros <= LAST_MICROS:
        raise InvalidQuestion(
            f"{micros} microseconds since 1970 lie outside the years 1 to 9999.",
            remedy="Give a moment within them.",
            field=field,
        )


def encode_lineage(newest_known_at: int, snapshot: int) -> timetravel_pb2.Lineage:
    """Return what an answer was made from; EARLIEST_MICROS means from nothing."""
    found = newest_known_at != EARLIEST_MICROS
    return timetravel_pb2.Lineage(
        newest_known_at=encode_moment(newest_known_at if found else None), snapshot=snapshot
    )


def decode_lineage(lineage: timetravel_pb2.Lineage) -> int:
    """Return the newest known_at of an answer, EARLIEST_MICROS if it was made from nothing."""
    if not lineage.HasField("newest_known_at"):
        return EARLIEST_MICROS
    return decode_moment(lineage.newest_known_at, field="lineage.newest_known_at")


def encode_group(group: FeatureGroup) -> timetravel_pb2.FeatureGroup:
    """Return a feature group as a message."""
    return timetravel_pb2.FeatureGroup(
        name=group.name,
        entity_kind=encode_entity_kind(group.entity_kind),
        schema_version=group.schema_version,
        fields=group.fields,
    )


def decode_group(message: timetravel_pb2.FeatureGroup) -> FeatureGroup:
    """Return a feature group of a message."""
    return FeatureGroup(
        message.name,
        decode_entity_kind(message.entity_kind),
        message.schema_version,
        tuple(message.fields),
    )


def encode_entity_kind(kind: EntityKind) -> timetravel_pb2.EntityKind.ValueType:
    """Return the kind as the message has it: the numbers are the same."""
    return timetravel_pb2.EntityKind.ValueType(kind.value)


def decode_entity_kind(number: int) -> EntityKind:
    """Return the kind of a number.

    Raises:
        InvalidQuestion: There is no such kind.
    """
    try:
        return EntityKind(number)
    except ValueError:
        raise InvalidQuestion(
            f"{number} is no kind of entity.",
            remedy=f"Give one of {[kind.name for kind in EntityKind]}.",
            field="kind",
        ) from None


def encode_event_kinds(
    kinds: Sequence[EventKind],
) -> list[timetravel_pb2.EventKind.ValueType]:
    """Return the kinds as the message has them: the numbers are the same."""
    return [timetravel_pb2.EventKind.ValueType(kind.value) for kind in kinds]


def decode_event_kinds(numbers: Sequence[int]) -> list[EventKind]:
    """Return the kinds of numbers.

    Raises:
        InvalidQuestion: One of them is no kind.
    """
    try:
        return [EventKind(number) for number in numbers]
    except ValueError as error:
        raise InvalidQuestion(
            f"{error}.",
            remedy=f"Give some of {[kind.name for kind in EventKind]}.",
            field="kinds",
        ) from None
