"""The feature groups of a store, and their vectors across schema versions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import sqlalchemy as sa

from timetravel.database.schema import feature_group
from timetravel.errors import UnknownFeatureGroup
from timetravel.facts.model import EntityKind, FeatureGroup

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.arrays import Float32Array


_FLOAT: Final = np.dtype("<f4")


@dataclass(frozen=True, slots=True)
class RegisteredGroup:
    """A feature group at its newest schema version, and the fields of every version."""

    group_id: int
    group: FeatureGroup
    fields_by_version: Mapping[int, tuple[str, ...]]

    def decode(
        self, schema_versions: Sequence[int | None], vectors: Sequence[bytes | None]
    ) -> Float32Array:
        """Return vectors as float32[rows, fields] of the newest schema version.

        None becomes a row of NaN. A field that an older version lacks becomes NaN.
        """
        width = len(self.group.fields)
        newest = self.group.schema_version
        if set(schema_versions) <= {newest, None}:
            missing = np.full(width, np.nan, dtype=_FLOAT).tobytes()
            joined = b"".join([vector or missing for vector in vectors])
            return np.frombuffer(joined, dtype=_FLOAT).astype(np.float32).reshape(-1, width)
        values = np.full((len(vectors), width), np.nan, dtype=np.float32)
        for version in {version for version in schema_versions if version is not None}:
            fields = self.fields_by_version[version]
            shared = [field for field in fields if field in self.group.fields]
            source = [fields.index(field) for field in shared]
            target = [self.group.fields.index(field) for field in shared]
            for row, (found, vector) in enumerate(zip(schema_versions, vectors, strict=True)):
                if found == version and vector is not None:
                    values[row, target] = np.frombuffer(vector, dtype=_FLOAT)[source]
        return values


@dataclass(frozen=True, slots=True)
class Registry:
    """All feature groups by name, in order of name."""

    groups: Mapping[str, RegisteredGroup]

    def __getitem__(self, name: str) -> RegisteredGroup:
        registered = self.groups.get(name)
        if registered is None:
            raise UnknownFeatureGroup(
                f"There is no feature group {name!r}.",
                remedy=f"Registered are: {', '.join(self.groups) or 'none'}.",
                field="group",
            )
        return registered

    def describe(self) -> Mapping[str, FeatureGroup]:
        """Return the groups without their place in the store."""
        return {name: registered.group for name, registered in self.groups.items()}


def read_registry(connection: sa.Connection, snapshot: int | None = None) -> Registry:
    """Return the registry as of a snapshot, or all of it."""
    statement = _EVERYTHING
    if snapshot is not None:
        statement = statement.where(feature_group.c.tx_id <= snapshot)
    groups: dict[str, RegisteredGroup] = {}
    rows = connection.execute(statement).all()
    for row in sorted(rows, key=lambda row: (row.name, row.schema_version)):
        fields = tuple(json.loads(row.fields))
        earlier = groups.get(row.name)
        groups[row.name] = RegisteredGroup(
            row.group_id,
            FeatureGroup(row.name, EntityKind(row.entity_kind), row.schema_version, fields),
            {**(earlier.fields_by_version if earlier else {}), row.schema_version: fields},
        )
    return Registry(groups)


_EVERYTHING: Final = sa.select(feature_group)
