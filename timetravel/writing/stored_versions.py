"""Versions of facts that the store holds already under the same key and `known_at`.

Of two such versions the one appended last would hold, so what a load says would depend on
where its chunks end. Ingest therefore refuses the second if it says something else.
"""

from __future__ import annotations

import json
from collections import defaultdict
from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from timetravel.database.engine import POSTGRESQL
from timetravel.database.schema import (
    attribute_fact,
    availability_fact,
    document_fact,
    event_fact,
    feature_fact,
    logged_feature,
    logged_page,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import sqlalchemy as sa

    from timetravel.writing.feature_blocks import FeatureBlock
    from timetravel.writing.records import Records, Row

Version: TypeAlias = "tuple[str, tuple[Any, ...]]"
"""The table, and the values of its columns in `_VERSIONS`."""
Content: TypeAlias = "tuple[Any, ...]"
"""What a version says: all other columns but its transaction."""

_VERSIONS: Final[Mapping[sa.Table, tuple[str, ...]]] = {
    feature_fact: ("group_id", "entity_id", "valid_from", "known_at"),
    attribute_fact: ("kind", "entity_id", "name", "valid_from", "known_at"),
    document_fact: ("collection", "name", "valid_from", "known_at"),
    # A correction may move an event in time, or to another profile.
    event_fact: ("event_id", "known_at"),
    availability_fact: ("window_id", "known_at"),
    logged_page: ("shown_at", "profile_id", "known_at"),
    logged_feature: ("shown_at", "profile_id", "known_at", "feature_group"),
}


def contents_of(records: Records) -> dict[Version, Content]:
    """Return the versions that an append brings, and what each says."""
    found: dict[Version, Content] = {}
    for table, rows in _versioned(records):
        key, rest = _getters(table)
        found.update(((table.name, key(row)), rest(row)) for row in rows)
    for block in records.features:
        for version, op, vector in zip(
            _versions(block), block.ops.tolist(), block.vectors(), strict=True
        ):
            found[version] = (op, block.schema_version, vector)
    return found


def versions_of(records: Records) -> list[Version]:
    """Return the versions that an append brings."""
    found: list[Version] = []
    for table, rows in _versioned(records):
        key, _ = _getters(table)
        found.extend((table.name, key(row)) for row in rows)
    for block in records.features:
        found.extend(_versions(block))
    return found


def read_contents(
    connection: sa.Connection, versions: Iterable[Version]
) -> dict[Version, Content]:
    """Return what the store says under versions, where it says anything.

    Of several transactions the newest holds.
    """
    by_table: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for name, key in versions:
        by_table[name].append(key)
    tables = {table.name: table for table in _VERSIONS}
    found: dict[Version, Content] = {}
    for name, keys in by_table.items():
        found.update(_read(connection, tables[name], sorted(keys)))
    return found


def _versioned(records: Records) -> Iterator[tuple[sa.Table, Sequence[Row]]]:
    return ((table, rows) for table, rows in records.rows.items() if table in _VERSIONS)


def _versions(block: FeatureBlock) -> Iterator[Version]:
    columns = (block.entity_ids, block.valid_from, block.known_at)
    lists = (column.tolist() for column in columns)
    for key in zip(*lists, strict=True):
        yield feature_fact.name, (block.group_id, *key)


@cache
def _getters(table: sa.Table) -> tuple[Callable[[Row], Row], Callable[[Row], Content]]:
    """Return what takes the key of a version out of a row, and what takes its content."""
    names = table.columns.keys()
    key = [names.index(name) for name in _VERSIONS[table]]
    content = [
        place for place, name in enumerate(names) if place not in key and name != "tx_id"
    ]
    return itemgetter(*key), itemgetter(*content)


def _read(
    connection: sa.Connection, table: sa.Table, keys: Sequence[tuple[Any, ...]]
) -> Iterator[tuple[Version, Content]]:
    """Yield what the store has under keys in ascending order, the newest last."""
    if not keys or not _has_any_between(connection, table, keys[0], keys[-1]):
        return
    names = _VERSIONS[table]
    if connection.dialect.name == POSTGRESQL:
        types = ", ".join(
            "%s::text[]" if table.c[name].type.python_type is str else "%s::bigint[]"
            for name in names
        )
        given = f"unnest({types}) AS given({', '.join(names)})"
        parameters: tuple[Any, ...] = tuple(list(column) for column in zip(*keys, strict=True))
        matches = " AND ".join(f"stored.{name} = given.{name}" for name in names)
        join = "JOIN"
    else:
        given, parameters = "json_each(?) AS given", (json.dumps(keys, ensure_ascii=False),)
        matches = " AND ".join(
            f"stored.{name} = json_extract(given.value, '$[{place}]')"
            for place, name in enumerate(names)
        )
        join = "CROSS JOIN"  # the keys first: SQLite knows nothing of how many they are
    # Migrations may have added a column elsewhere than its place among the table's columns.
    columns = ", ".join(f"stored.{column.name}" for column in table.columns)
    rows = connection.exec_driver_sql(
        f"SELECT {columns} FROM {given} {join} {table.name} AS stored "  # noqa: S608 - names of our own schema
        f"ON {matches} ORDER BY stored.tx_id",
        parameters,
    )
    key, rest = _getters(table)
    for row in rows:
        yield (table.name, key(row)), rest(row)


def _has_any_between(
    connection: sa.Connection, table: sa.Table, least: tuple[Any, ...], most: tuple[Any, ...]
) -> bool:
    """Return whether the store has anything from one key to another: a cheap first question."""
    names = ", ".join(_VERSIONS[table])
    mark = "%s" if connection.dialect.name == POSTGRESQL else "?"
    marks = ", ".join([mark] * len(least))
    found = connection.exec_driver_sql(
        f"SELECT 1 FROM {table.name} "  # noqa: S608 - names of our own schema
        f"WHERE ({names}) >= ({marks}) AND ({names}) <= ({marks}) LIMIT 1",
        (*least, *most),
    )
    return found.first() is not None
