"""Facts of a timeline as records of tables: one schema for each kind of fact.

Every record also says who gave the fact (`source`) and whether a rule made it up (`synthetic`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pyarrow as pa

from timetravel.errors import InvalidFact
from timetravel.facts.model import (
    AttributeFact,
    AvailabilityFact,
    DocumentFact,
    EntityKind,
    EventFact,
    EventKind,
    Fact,
    Op,
    canonical_json,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

MOMENT: Final = pa.timestamp("us", tz="UTC")


class SourcedFact(NamedTuple):
    """A fact, who gave it, and whether a seeded rule made it up."""

    fact: Fact
    source: str
    synthetic: bool


@dataclass(frozen=True, slots=True)
class RecordKind:
    """One kind of fact in a timeline: its file, its schema, and how its records are read."""

    name: str
    schema: pa.Schema
    read: Callable[[pa.RecordBatch], Iterator[SourcedFact]]


def _schema(*fields: tuple[str, pa.DataType]) -> pa.Schema:
    nullable = {"value", "body"}
    return pa.schema(
        [
            *(pa.field(name, kind, nullable=name in nullable) for name, kind in fields),
            pa.field("known_at", MOMENT, nullable=False),
            pa.field("op", pa.int8(), nullable=False),
            pa.field("source", pa.string(), nullable=False),
            pa.field("synthetic", pa.bool_(), nullable=False),
        ]
    )


def _columns(batch: pa.RecordBatch) -> Iterator[tuple[Any, ...]]:
    columns = (
        column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
        for column in batch.columns
    )
    return zip(*(column.to_pylist() for column in columns), strict=True)


def _read_documents(batch: pa.RecordBatch) -> Iterator[SourcedFact]:
    for collection, name, valid_from, schema_version, body, *rest in _columns(batch):
        known_at, op, source, synthetic = rest
        value = None if body is None else json.loads(body)
        fact = DocumentFact(
            collection, name, valid_from, known_at, schema_version, value, Op(op)
        )
        yield SourcedFact(fact, source, synthetic)


def _read_attributes(batch: pa.RecordBatch) -> Iterator[SourcedFact]:
    for kind, entity_id, name, valid_from, value, *rest in _columns(batch):
        known_at, op, source, synthetic = rest
        fact = AttributeFact(
            EntityKind(kind),
            entity_id,
            name,
            valid_from,
            known_at,
            None if value is None else json.loads(value),
            Op(op),
        )
        yield SourcedFact(fact, source, synthetic)


def _read_availability(batch: pa.RecordBatch) -> Iterator[SourcedFact]:
    for window_id, video_id, country, valid_from, valid_to, *rest in _columns(batch):
        known_at, op, source, synthetic = rest
        fact = AvailabilityFact(
            window_id, video_id, country, valid_from, valid_to, known_at, Op(op)
        )
        yield SourcedFact(fact, source, synthetic)


def _read_events(batch: pa.RecordBatch) -> Iterator[SourcedFact]:
    for event_id, profile_id, event_at, kind, video_id, value, *rest in _columns(batch):
        known_at, op, source, synthetic = rest
        fact = EventFact(
            event_id,
            profile_id,
            event_at,
            EventKind(kind),
            video_id,
            value,
            known_at,
            Op(op),
        )
        yield SourcedFact(fact, source, synthetic)


DOCUMENTS: Final = RecordKind(
    "documents",
    _schema(
        ("collection", pa.string()),
        ("name", pa.string()),
        ("valid_from", MOMENT),
        ("schema_version", pa.int32()),
        ("body", pa.string()),
    ),
    _read_documents,
)
ATTRIBUTES: Final = RecordKind(
    "attributes",
    _schema(
        ("kind", pa.int8()),
        ("entity_id", pa.int64()),
        ("name", pa.string()),
        ("valid_from", MOMENT),
        ("value", pa.string()),
    ),
    _read_attributes,
)
AVAILABILITY: Final = RecordKind(
    "availability",
    _schema(
        ("window_id", pa.string()),
        ("video_id", pa.int64()),
        ("country", pa.string()),
        ("valid_from", MOMENT),
        ("valid_to", MOMENT),
    ),
    _read_availability,
)
EVENTS: Final = RecordKind(
    "events",
    _schema(
        ("event_id", pa.string()),
        ("profile_id", pa.int64()),
        ("event_at", MOMENT),
        ("kind", pa.int8()),
        ("video_id", pa.int64()),
        ("value", pa.float32()),
    ),
    _read_events,
)
RECORD_KINDS: Final = (DOCUMENTS, ATTRIBUTES, AVAILABILITY, EVENTS)
"""In the order in which facts known at one moment come."""


def to_table(kind: RecordKind, facts: Sequence[SourcedFact]) -> pa.Table:
    """Return facts of one kind as a table, in the order given."""
    records = [_record(entry) for entry in facts]
    return pa.Table.from_pylist(records, schema=kind.schema)


def _record(entry: SourcedFact) -> dict[str, object]:
    fact = entry.fact
    record: dict[str, object] = {
        name: getattr(fact, name) for name in type(fact).__dataclass_fields__
    }
    if isinstance(fact, AttributeFact):
        record["value"] = canonical_json(fact.value) if fact.op is Op.ASSERT else None
    elif isinstance(fact, EventFact) and fact.attribution is not None:
        raise InvalidFact(
            f"Event {fact.event_id} names a page, and a world has none before it is lived.",
            remedy="Leave the attribution out, or append the event to a store.",
            field="attribution",
        )
    elif isinstance(fact, DocumentFact):
        record["body"] = None if fact.body is None else canonical_json(fact.body)
    return {**record, "source": entry.source, "synthetic": entry.synthetic}
