"""Inserts many rows at once, in the fastest way of each database."""

from __future__ import annotations

from itertools import chain, islice, repeat
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from timetravel.database.engine import POSTGRESQL
from timetravel.database.schema import feature_fact
from timetravel.facts.model import Op

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import sqlalchemy as sa
    from numpy.typing import NDArray

    from timetravel.writing.feature_blocks import FeatureBlock

_ROWS_PER_STATEMENT: Final = 50

# The binary format of COPY (PostgreSQL's documentation of COPY, "Binary Format").
_COPY_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_TRAILER: Final = b"\xff\xff"
_NULL_LENGTH: Final = -1


def insert(connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows, columns in the order of the table."""
    if not rows:
        return
    if connection.dialect.name == POSTGRESQL:
        driver: Any = connection.connection.driver_connection
        with (
            driver.cursor() as cursor,
            cursor.copy(f"COPY {table.name} ({_columns(table)}) FROM STDIN") as copy,
        ):
            for row in rows:
                copy.write_row(row)
        return
    _insert_in_statements(connection, table, rows, len(rows))


def insert_features(
    connection: sa.Connection, blocks: Iterable[FeatureBlock], tx_id: int
) -> None:
    """Insert feature facts under a transaction."""
    if connection.dialect.name != POSTGRESQL:
        for block in blocks:
            _insert_in_statements(connection, feature_fact, _rows(block, tx_id), len(block))
        return
    driver: Any = connection.connection.driver_connection
    statement = (
        f"COPY {feature_fact.name} ({_columns(feature_fact)}) FROM STDIN (FORMAT BINARY)"
    )
    for block in blocks:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(_COPY_HEADER)
            asserts = block.ops == Op.ASSERT
            copy.write(_binary_rows(block, tx_id, np.flatnonzero(asserts), vectors=True))
            copy.write(_binary_rows(block, tx_id, np.flatnonzero(~asserts), vectors=False))
            copy.write(_COPY_TRAILER)


def insert_unless_there(
    connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]]
) -> None:
    """Insert rows, columns in the order of the table, except those whose key is there."""
    if not rows:
        return
    if connection.dialect.name == POSTGRESQL:
        arrays = ", ".join(
            "%s::text[]" if column.type.python_type is str else "%s::bigint[]"
            for column in table.columns
        )
        connection.exec_driver_sql(
            f"INSERT INTO {table.name} ({_columns(table)}) "  # noqa: S608 - names of our own schema
            f"SELECT * FROM unnest({arrays}) ON CONFLICT DO NOTHING",
            tuple(list(column) for column in zip(*rows, strict=True)),
        )
        return
    connection.exec_driver_sql(f"{_insert_into(table)} ON CONFLICT DO NOTHING", list(rows))


def _insert_in_statements(
    connection: sa.Connection, table: sa.Table, rows: Iterable[tuple[Any, ...]], count: int
) -> None:
    # SQLite builds the set of `op IN (0, 1, 2)` anew for each statement: with one row each,
    # that takes as long as the insertion itself.
    driver: Any = connection.connection.driver_connection
    width = len(table.columns)
    whole, rest = divmod(count, _ROWS_PER_STATEMENT)
    remaining = iter(rows)
    for times, size in ((whole, _ROWS_PER_STATEMENT), (rest, 1)):
        if times:
            values = chain.from_iterable(islice(remaining, times * size))
            driver.executemany(_insert_into(table, size), _tuples(values, width * size)).close()


def _tuples(values: Iterator[Any], size: int) -> Iterator[tuple[Any, ...]]:
    while found := tuple(islice(values, size)):
        yield found


def _rows(block: FeatureBlock, tx_id: int) -> Iterator[tuple[Any, ...]]:
    return zip(
        repeat(block.group_id),
        block.entity_ids.tolist(),
        block.valid_from.tolist(),
        block.known_at.tolist(),
        repeat(tx_id),
        block.ops.tolist(),
        repeat(block.schema_version),
        block.vectors(),
        strict=False,  # what is repeated has no end
    )


def _binary_rows(
    block: FeatureBlock, tx_id: int, places: NDArray[np.intp], *, vectors: bool
) -> bytes:
    """Return rows of the table as COPY takes them: each field after its length in bytes."""
    columns: list[tuple[str, str, object]] = [
        ("group_id", ">i8", block.group_id),
        ("entity_id", ">i8", block.entity_ids[places]),
        ("valid_from", ">i8", block.valid_from[places]),
        ("known_at", ">i8", block.known_at[places]),
        ("tx_id", ">i8", tx_id),
        ("op", ">i2", block.ops[places]),
        ("schema_version", ">i4", block.schema_version),
    ]
    width = block.values.shape[1] * block.values.itemsize if vectors else 0
    layout: list[tuple[str, str]] = [("fields", ">i2")]
    for name, kind, _ in columns:
        layout += [(f"{name} length", ">i4"), (name, kind)]
    layout += [("vector length", ">i4"), ("vector", f"V{width}")]
    rows = np.zeros(len(places), layout)
    rows["fields"] = len(feature_fact.columns)
    for name, kind, values in columns:
        rows[f"{name} length"] = np.dtype(kind).itemsize
        rows[name] = values
    rows["vector length"] = width if vectors else _NULL_LENGTH
    if vectors:
        rows["vector"] = block.values[places].view(f"V{width}").reshape(-1)
    return rows.tobytes()


def _insert_into(table: sa.Table, rows: int = 1) -> str:
    values = f"({', '.join('?' * len(table.columns))})"
    return f"INSERT INTO {table.name} ({_columns(table)}) VALUES {', '.join([values] * rows)}"  # noqa: S608 - names of our own schema


def _columns(table: sa.Table) -> str:
    return ", ".join(column.name for column in table.columns)
