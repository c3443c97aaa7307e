"""Gathers the feature records of a chunk into columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from timetravel.facts.feature_batch import FeatureBatch
from timetravel.facts.model import Op

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pagesim.ingest.v1 import ingest_pb2

    from core.arrays import Float32Array
    from timetravel.database.registry import Registry
    from timetravel.facts.model import EntityKind
    from timetravel.ingest.fields import Fields

_NAMED: Final = 12


@dataclass(slots=True)
class _Columns:
    fields: tuple[str, ...]
    indexes: list[int] = field(default_factory=list)
    entity_ids: list[int] = field(default_factory=list)
    valid_from: list[int] = field(default_factory=list)
    known_at: list[int] = field(default_factory=list)
    ops: list[int] = field(default_factory=list)
    values: list[Float32Array] = field(default_factory=list)


class FeatureColumns:
    """Collects features by group and schema version.

    Args:
        registry: The feature groups that there are.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._columns: dict[tuple[str, int], _Columns] = {}

    def read(self, index: int, record: ingest_pb2.Record, fields: Fields) -> None:
        """Take one record, unless it is wrong."""
        message = record.feature
        rules = fields.rules
        op = fields.op(record.op)
        text = message.entity_external_id if message.HasField("entity_external_id") else None
        kind = self._kind(message.group)
        entity_id = fields.entity("feature.entity_id", kind, message.entity_id, text)
        valid_from = fields.moment(
            "valid_from",
            record.valid_from,
            rules.valid_from,
            given=record.HasField("valid_from"),
        )
        known_at = fields.moment(
            "known_at", record.known_at, rules.past, given=record.HasField("known_at")
        )
        version = self._version(message, fields)
        values = _read_values(message, op, self._fields(message.group, version), fields)
        if not fields.are_right() or version is None:
            return
        columns = self._columns.get((message.group, version))
        if columns is None:
            names = self._registry[message.group].fields_by_version[version]
            columns = self._columns[message.group, version] = _Columns(names)
        columns.indexes.append(index)
        columns.entity_ids.append(entity_id)
        columns.valid_from.append(valid_from)
        columns.known_at.append(known_at)
        columns.ops.append(op.value)
        columns.values.append(values)

    def batches(self) -> list[tuple[Sequence[int], FeatureBatch]]:
        """Return what was taken, with the places of the records."""
        return [
            (
                columns.indexes,
                FeatureBatch(
                    group,
                    np.array(columns.entity_ids, np.int64),
                    np.array(columns.valid_from, np.int64),
                    np.array(columns.known_at, np.int64),
                    np.array(columns.ops, np.int8),
                    _stack(columns),
                    version,
                ),
            )
            for (group, version), columns in self._columns.items()
        ]

    def _kind(self, group: str) -> EntityKind | None:
        registered = self._registry.groups.get(group)
        return None if registered is None else registered.group.entity_kind

    def _version(self, message: ingest_pb2.FeatureRecord, fields: Fields) -> int | None:
        registered = self._registry.groups.get(message.group)
        if registered is None:
            known = list(self._registry.groups)
            more = ", ..." if len(known) > _NAMED else ""
            fields.wrong(
                "feature.group",
                message.group,
                "There is no such feature group.",
                f"Register it, or give one of: {', '.join(known[:_NAMED]) or 'none'}{more}.",
            )
            return None
        version = message.schema_version or registered.group.schema_version
        if version not in registered.fields_by_version:
            fields.wrong(
                "feature.schema_version",
                version,
                f"{message.group} has no such schema version.",
                f"Register it, or give one of {sorted(registered.fields_by_version)}.",
            )
            return None
        return version

    def _fields(self, group: str, version: int | None) -> Sequence[str] | None:
        if version is None:
            return None
        return self._registry[group].fields_by_version[version]


_NOTHING: Final = np.empty(0, np.float32)


def _stack(columns: _Columns) -> Float32Array:
    values = np.full((len(columns.indexes), len(columns.fields)), np.nan, np.float32)
    asserted = np.flatnonzero(np.array(columns.ops) == Op.ASSERT)
    if len(asserted):
        values[asserted] = np.stack([columns.values[place] for place in asserted])
    values[np.isnan(values)] = np.nan  # whatever bits it came with
    return values


def _read_values(
    message: ingest_pb2.FeatureRecord, op: Op, names: Sequence[str] | None, fields: Fields
) -> Float32Array:
    count, named = len(message.values), len(message.fields)
    if count and named:
        fields.wrong(
            "feature.fields", None, "Both values and fields are given.", "Give one of the two."
        )
        return _NOTHING
    fields.nothing_but_assert("feature.values", op, given=bool(count or named))
    if op is not Op.ASSERT:
        return _NOTHING
    if count:
        vector = np.array(message.values[:], np.float32)
        return fields.take(
            "feature.values",
            lambda values: fields.rules.vector(values, names),
            vector,
            _NOTHING,
        )
    if not named or names is None:
        return _NOTHING
    vector = _order(dict(message.fields), names, fields)
    return fields.take(
        "feature.fields", lambda values: fields.rules.vector(values, names), vector, _NOTHING
    )


def _order(given: dict[str, float], names: Sequence[str], fields: Fields) -> Float32Array:
    vector = np.array([given.get(name, np.nan) for name in names], np.float32)
    known = set(names)
    for name in given:
        if name not in known:
            more = ", ..." if len(names) > _NAMED else ""
            fields.wrong(
                "feature.fields",
                name,
                "The group has no such field.",
                f"Its fields are: {', '.join(names[:_NAMED])}{more}.",
            )
    return vector
