"""Inserts many rows at once, on each database in its fastest way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from timetravel.engine import POSTGRESQL

if TYPE_CHECKING:
    from collections.abc import Sequence

    import sqlalchemy as sa


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
    connection.exec_driver_sql(_insert_into(table), list(rows))


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


def _insert_into(table: sa.Table) -> str:
    placeholders = ", ".join("?" * len(table.columns))
    return f"INSERT INTO {table.name} ({_columns(table)}) VALUES ({placeholders})"  # noqa: S608 - names of our own schema


def _columns(table: sa.Table) -> str:
    return ", ".join(column.name for column in table.columns)
