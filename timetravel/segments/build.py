"""Builds a segment from a store."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import sqlalchemy as sa

from timetravel.database.registry import read_registry
from timetravel.database.schema import (
    attribute_fact,
    availability_fact,
    change_instant,
    document_fact,
    entity,
    event_fact,
    feature_fact,
)
from timetravel.errors import StoreChanged
from timetravel.facts.model import EntityKind
from timetravel.segments.columns import (
    NEVER,
    Changes,
    Events,
    Licences,
    Texts,
    Vectors,
    Versions,
)
from timetravel.segments.gather import Keys, TextTable, allocate_in_memory
from timetravel.segments.segment import Document, Segment
from timetravel.segments.table_scan import Choice, TableScan, snapshot_parameter
from timetravel.upkeep.upkeep import read_retained

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from core.arrays import Int64Array
    from timetravel.database.registry import RegisteredGroup
    from timetravel.segments.gather import Allocate
    from timetravel.segments.segment import Origin


class Progress(Protocol):
    """Is told how far a build has come."""

    def __call__(self, part: str, done: int, total: int, /) -> None:
        """Note that `done` of `total` rows of a part have been read."""
        ...


def build_segment(
    tables: TableScan,
    origin: Origin,
    *,
    allocate: Allocate = allocate_in_memory,
    progress: Progress | None = None,
) -> Segment:
    """Read the facts of a snapshot into sorted arrays.

    Args:
        tables: Reads the store, at the snapshot of `origin`.
        origin: What to read.
        allocate: Makes the arrays of vectors, which are too many for memory in a large store.
        progress: Is told how far it has come.

    Raises:
        StoreUnavailable: The database cannot be reached or is locked for too long.
        StoreChanged: Facts were taken out of the store meanwhile.
    """
    segment = _Build(tables, origin, allocate, progress).segment()
    if tables.digest() != origin.store:
        raise StoreChanged(
            f"Facts were taken out of the store while a segment of snapshot {origin.snapshot} "
            "was built.",
            remedy="Build it again.",
            field="snapshot",
        )
    return segment


class _Build:
    def __init__(
        self, tables: TableScan, origin: Origin, allocate: Allocate, progress: Progress | None
    ) -> None:
        self._tables = tables
        self._origin = origin
        self._allocate = allocate
        self._tell = progress

    def segment(self) -> Segment:
        with self._tables.connect() as connection:
            registry = read_registry(connection, self._tables.snapshot)
            retained = read_retained(connection)
        return Segment(
            self._origin,
            registry,
            self._listing(EntityKind.PROFILE),
            self._listing(EntityKind.VIDEO),
            {name: self._vectors(group) for name, group in registry.groups.items()},
            {
                (kind, name): texts
                for kind in EntityKind
                for name, texts in self._attributes(kind).items()
            },
            self._documents(),
            self._events(),
            self._licences(),
            self._changes(),
            retained,
        )

    def _listing(self, kind: EntityKind) -> Int64Array:
        rows = self._tables.all(
            sa.select(entity.c.entity_id)
            .where(entity.c.kind == kind.value, entity.c.tx_id <= snapshot_parameter())
            .order_by(entity.c.entity_id)
        )
        return np.fromiter((row[0] for row in rows), np.int64, len(rows))

    def _vectors(self, registered: RegisteredGroup) -> Vectors:
        group, facts = registered.group, feature_fact
        choice = self._of_profiles(
            Choice(
                facts,
                [facts.c.group_id == registered.group_id],
                ("entity_id", "valid_from", "known_at", "tx_id"),
            ),
            facts.c.entity_id if group.entity_kind is EntityKind.PROFILE else None,
        )
        total = self._tables.count(choice)
        keys, ops = Keys(), np.empty(total, np.int8)
        valid_from, known_at = np.empty(total, np.int64), np.empty(total, np.int64)
        values = self._allocate(f"features/{group.name}", (total, len(group.fields)))
        names = ("entity_id", "valid_from", "known_at", "op", "schema_version", "vector")
        for place, columns in self._read(f"features of {group.name}", choice, names):
            ids, valid_from[place], known_at[place], ops[place], schemas, vectors = columns
            keys.extend(ids)
            asserted = [
                version if vector is not None else None
                for version, vector in zip(schemas, vectors, strict=True)
            ]
            values[place] = registered.decode(asserted, vectors)
        return Vectors(Versions(*keys.arrays(), valid_from, known_at, ops), values)

    def _attributes(self, kind: EntityKind) -> dict[str, Texts]:
        facts = attribute_fact
        choice = self._of_profiles(
            Choice(
                facts,
                [facts.c.kind == kind.value],
                ("entity_id", "name", "valid_from", "known_at", "tx_id"),
            ),
            facts.c.entity_id if kind is EntityKind.PROFILE else None,
        )
        tables: dict[str, TextTable] = defaultdict(TextTable)
        names = ("name", "entity_id", "valid_from", "known_at", "op", "value")
        for _, columns in self._read(f"attributes of {kind.name.lower()}s", choice, names):
            for name, *version in zip(*columns, strict=True):
                tables[name].append(*version)
        return {name: tables[name].texts() for name in sorted(tables)}

    def _documents(self) -> dict[tuple[str, str], Document]:
        choice = Choice(
            document_fact, [], ("collection", "name", "valid_from", "known_at", "tx_id")
        )
        tables: dict[tuple[str, str], TextTable] = defaultdict(TextTable)
        schemas: dict[tuple[str, str], list[int]] = defaultdict(list)
        names = ("collection", "name", "schema_version", "valid_from", "known_at", "op", "body")
        for _, columns in self._read("documents", choice, names):
            for collection, name, schema_version, *version in zip(*columns, strict=True):
                tables[collection, name].append(0, *version)
                schemas[collection, name].append(schema_version)
        return {
            key: Document(table.texts(), np.array(schemas[key], np.int64))
            for key, table in tables.items()
        }

    def _events(self) -> Events:
        key = ("profile_id", "event_at", "event_id", "known_at", "tx_id")
        choice = self._of_profiles(Choice(event_fact, [], key), event_fact.c.profile_id)
        total = self._tables.count(choice)
        keys, values = Keys(), np.empty(total, np.float32)
        event_at, known_at, superseded_at, video_ids = np.empty((4, total), np.int64)
        ops, kinds = np.empty((2, total), np.int8)
        names = ("profile_id", "event_at", "known_at", "video_id", "op", "kind", "value")
        superseded = _superseded_at(event_fact, "event_id")
        for place, columns in self._read("events", choice, names, superseded):
            profiles, event_at[place], known_at[place], video_ids[place], *rest = columns
            ops[place], kinds[place], found, later = rest
            keys.extend(profiles)
            values[place] = np.asarray(found, np.float32)  # None becomes NaN
            superseded_at[place] = _or_never(later)
        return Events(
            *(*keys.arrays(), event_at, known_at, superseded_at),
            ops=ops,
            kinds=kinds,
            video_ids=video_ids,
            values=values,
        )

    def _licences(self) -> Licences:
        facts = availability_fact
        choice = Choice(facts, [], ("window_id", "known_at", "tx_id"))
        names = ("video_id", "valid_from", "valid_to", "known_at", "op", "country")
        integers: list[list[int]] = [[] for _ in range(6)]
        countries: list[str] = []
        superseded = _superseded_at(facts, "window_id")
        for _, columns in self._read("licences", choice, names, superseded):
            *found, country, superseded_at = columns
            for column, part in zip(integers, (*found, _or_never(superseded_at)), strict=True):
                column.extend(part)
            countries.extend(country)
        country_names, places = np.unique(np.array(countries, np.str_), return_inverse=True)
        video_ids, valid_from, valid_to, known_at, ops, superseded_at = (
            np.array(column, np.int64) for column in integers
        )
        return Licences(
            video_ids=video_ids,
            countries=places.astype(np.int32),
            valid_from=valid_from,
            valid_to=valid_to,
            known_at=known_at,
            superseded_at=superseded_at,
            ops=ops.astype(np.int8),
            country_names=tuple(country_names.tolist()),
        )

    def _changes(self) -> dict[str, Changes]:
        choice = Choice(change_instant, [], ("subject", "instant", "valid_edge", "known_at"))
        rows: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
        names = ("subject", "instant", "valid_edge", "known_at")
        for _, columns in self._read("changes", choice, names):
            for subject, *change in zip(*columns, strict=True):
                rows[subject].append((change[0], change[1], change[2]))
        return {
            subject: Changes(*np.array(found, np.int64).T.copy())
            for subject, found in rows.items()
        }

    def _progress(self, part: str, done: int, total: int) -> None:
        if self._tell is not None:
            self._tell(part, done, total)

    def _of_profiles(self, choice: Choice, column: sa.ColumnElement[int] | None) -> Choice:
        if column is None or self._origin.profile_ids is None:
            return choice
        return Choice(
            choice.table, choice.conditions, choice.key, column, self._origin.profile_ids
        )

    def _read(
        self,
        part: str,
        choice: Choice,
        names: Sequence[str],
        *computed: sa.ColumnElement[Any],
    ) -> Iterable[tuple[slice, list[Any]]]:
        total, done = self._tables.count(choice), 0
        self._progress(part, done, total)
        for rows in self._tables.read(choice, [*(choice.table.c[n] for n in names), *computed]):
            yield slice(done, done + len(rows)), list(zip(*rows, strict=True))
            done += len(rows)
            self._progress(part, done, total)


def _superseded_at(facts: sa.Table, identity: str) -> sa.ColumnElement[int | None]:
    later = facts.alias("later")
    return (
        sa.select(later.c.known_at)
        .where(
            later.c[identity] == facts.c[identity],
            later.c.tx_id <= snapshot_parameter(),
            sa.tuple_(later.c.known_at, later.c.tx_id)
            > sa.tuple_(facts.c.known_at, facts.c.tx_id),
        )
        .order_by(later.c.known_at, later.c.tx_id)
        .limit(sa.literal_column("1"))
        .correlate(facts)
        .scalar_subquery()
    )


def _or_never(moments: Iterable[int | None]) -> list[int]:
    return [NEVER if moment is None else moment for moment in moments]
