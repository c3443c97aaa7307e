"""Converts the records of a slice into facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from experiments.ingest.mapping.entries import (
    AllocationsEntry,
    AttributesEntry,
    AvailabilityEntry,
    DocumentsEntry,
    EventsEntry,
    FeaturesEntry,
    LoggedPagesEntry,
)
from experiments.ingest.records.fact_builder import build_facts
from experiments.ingest.records.identified import (
    read_availability,
    read_events,
    read_logged_pages,
)
from experiments.ingest.records.vectors import read_lists, read_vectors
from timetravel.errors import InvalidFact
from timetravel.facts.feature_batch import FeatureBatch
from timetravel.facts.meanings import MEANINGS, convert_attribute
from timetravel.facts.model import (
    AllocationFact,
    AttributeFact,
    DocumentFact,
    EntityKind,
    Op,
)
from timetravel.ingest.decoding import DecodedChunk

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from experiments.ingest.mapping.entries import MappingEntry
    from experiments.ingest.records.reading import Reading
    from timetravel.database.registry import Registry
    from timetravel.facts.model import Fact, JsonValue

ENTITY_KINDS: Final[Mapping[str, EntityKind]] = {kind.name.lower(): kind for kind in EntityKind}


def read_facts(reading: Reading, entry: MappingEntry, registry: Registry) -> DecodedChunk:
    """Return the facts of records in which nothing is wrong, each with its row.

    Args:
        reading: Reads the records, and notes what is wrong.
        entry: What the mapping says.
        registry: The feature groups of the store.
    """
    known_at = entry.known_at
    if known_at is None:
        raise AssertionError("the moment of knowledge is settled before anything is read")
    known = reading.moments("known_at", known_at, reading.rules.past).tolist()
    ops = reading.ops()
    match entry:
        case FeaturesEntry():
            return _read_features(reading, entry, registry, known, ops)
        case AttributesEntry():
            return _read_attributes(reading, entry, known, ops)
        case AllocationsEntry():
            facts = _read_allocations(reading, entry, known, ops)
        case AvailabilityEntry():
            facts = read_availability(reading, entry, known, ops)
        case EventsEntry():
            facts = read_events(reading, entry, known, ops)
        case DocumentsEntry():
            facts = _read_documents(reading, entry, known, ops)
        case LoggedPagesEntry():
            facts = read_logged_pages(reading, entry, known, ops)
        case _:
            raise AssertionError(entry)
    return DecodedChunk(list(facts), [], reading.names.external_ids)


def feature_fields(entry: FeaturesEntry, registry: Registry) -> tuple[int, tuple[str, ...]]:
    """Return the schema version of a mapping's vectors, and its fields."""
    registered = registry[entry.group.name]
    version = entry.group.schema_version or registered.group.schema_version
    return version, registered.fields_by_version[version]


def _read_features(
    reading: Reading,
    entry: FeaturesEntry,
    registry: Registry,
    known: Sequence[int],
    ops: Sequence[Op],
) -> DecodedChunk:
    version, fields = feature_fields(entry, registry)
    numbers = np.array(ops, np.int8)
    kind = registry[entry.group.name].group.entity_kind
    entity_ids = reading.identities("entity_id", entry.entity_id, kind)
    valid_from = reading.moments("valid_from", entry.valid_from, reading.rules.valid_from)
    if entry.values is not None:
        values = read_vectors(reading, entry.values, fields, numbers)
    else:
        values = read_lists(reading, str(entry.vector), fields, numbers)
    right = np.flatnonzero(~reading.wrong_rows)
    batch = FeatureBatch(
        entry.group.name,
        entity_ids[right],
        valid_from[right],
        np.array(known, np.int64)[right],
        numbers[right],
        values[right],
        version,
    )
    return DecodedChunk([], [(right.tolist(), batch)], reading.names.external_ids)


def _read_attributes(
    reading: Reading, entry: AttributesEntry, known: Sequence[int], ops: Sequence[Op]
) -> DecodedChunk:
    kinds = reading.choices("entity_kind", entry.entity_kind, ENTITY_KINDS)
    entity_ids = reading.identities("entity_id", entry.entity_id, kinds).tolist()
    valid_from = reading.moments(
        "valid_from", entry.valid_from, reading.rules.valid_from
    ).tolist()
    facts: list[tuple[int, Fact]] = []
    if entry.name is not None and entry.value is not None:
        names = reading.texts("name", entry.name)
        values = reading.values("value", entry.value, ops, required=True)
        columns = [("value", names, values, True)]
    else:
        columns = [
            (f"values.{name}", [name] * reading.rows, values, False)
            for name, source in (entry.values or {}).items()
            for values in [reading.values(f"values.{name}", source, ops, required=False)]
        ]
    for field, names, values, always in columns:
        read = _convert(reading, field, kinds, names, values)
        records = zip(kinds, entity_ids, names, valid_from, known, read, ops, strict=True)

        def build(record: tuple[object, ...]) -> Fact:
            return AttributeFact(*record)  # type: ignore[arg-type]  # as they were read

        facts += build_facts(
            reading,
            field,
            (
                None if record[5] is None and record[6] is Op.ASSERT and not always else record
                for record in records
            ),
            build,
        )
    # A record of which one value is wrong makes no fact at all.
    wrong = reading.wrong_rows
    facts = [(row, fact) for row, fact in facts if not wrong[row]]
    return DecodedChunk(facts, [], reading.names.external_ids)


def _convert(
    reading: Reading,
    field: str,
    kinds: Sequence[EntityKind],
    names: Sequence[str | None],
    values: Sequence[JsonValue],
) -> list[JsonValue]:
    """Return values as page services read them, where these do."""
    converted = list(values)
    for row, (kind, name, value) in enumerate(zip(kinds, names, values, strict=True)):
        if value is None or name is None or (kind, name) not in MEANINGS:
            continue
        try:
            converted[row] = convert_attribute(kind, name, value, reading.names)
        except InvalidFact as error:
            reading.wrong(row, field, value, error)
    return converted


def _read_allocations(
    reading: Reading, entry: AllocationsEntry, known: Sequence[int], ops: Sequence[Op]
) -> list[tuple[int, Fact]]:
    cells = reading.texts("cell", entry.cell, required=False)
    cells = [cell if op is Op.ASSERT else None for cell, op in zip(cells, ops, strict=True)]
    records = zip(
        reading.identities("profile_id", entry.profile_id, EntityKind.PROFILE).tolist(),
        reading.texts("test", entry.test),
        reading.moments("valid_from", entry.valid_from, reading.rules.valid_from).tolist(),
        known,
        cells,
        ops,
        strict=True,
    )
    return build_facts(reading, "cell", records, lambda record: AllocationFact(*record))


def _read_documents(
    reading: Reading, entry: DocumentsEntry, known: Sequence[int], ops: Sequence[Op]
) -> list[tuple[int, Fact]]:
    rules = reading.rules
    bodies = reading.objects("body", entry.body, ops, required=True)
    records = zip(
        reading.texts("collection", entry.collection),
        reading.texts("name", entry.name),
        reading.moments("valid_from", entry.valid_from, rules.valid_from).tolist(),
        known,
        reading.integers("schema_version", entry.schema_version, rules.schema_version),
        bodies,
        ops,
        strict=True,
    )
    return build_facts(reading, "body", records, lambda record: DocumentFact(*record))
