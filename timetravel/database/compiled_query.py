"""Statements compiled once, with many keys as parameters, on each database.

A statement is compiled once per database. The rows travel as one parameter each: JSON on
SQLite, arrays on PostgreSQL.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from timetravel.database.engine import POSTGRESQL, SQLITE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.sql.selectable import FromClause

    from core.arrays import Int64Array


@dataclass(frozen=True, slots=True)
class Question:
    """A compiled statement."""

    text: str
    constants: Mapping[str, object]

    @classmethod
    def compile(cls, statement: sa.Select[Any], dialect: sa.Dialect) -> Question:
        """Compile a statement for a database."""
        compiled = statement.compile(dialect=dialect)
        constants = {
            name: value for name, value in compiled.params.items() if value is not None
        }
        return cls(str(compiled), constants)

    def ask(self, connection: sa.Connection, **parameters: object) -> list[Any]:
        """Return all rows of the answer, as tuples."""
        # Straight to the driver: SQLAlchemy's look-up of a compiled statement costs more
        # than a small query does, and its rows as much as a large one.
        driver: Any = connection.connection.driver_connection
        rows: list[Any] = driver.execute(self.text, {**self.constants, **parameters}).fetchall()
        return rows


def rows_asked(dialect: sa.Dialect, *more: str) -> FromClause:
    """Return the rows of `row_parameters`: row (from 0), entity_id, moment, known_by, more."""
    names = (*_ROW, *more)
    if dialect.name == POSTGRESQL:
        each = (
            sa.func.unnest(
                *(sa.bindparam(f"row_{name}", type_=ARRAY(sa.BigInteger)) for name in names)
            )
            .table_valued(*names, with_ordinality="position", name="each")
            .render_derived()
        )
        return sa.select(
            (each.c.position - 1).label("row"), *(each.c[name] for name in names)
        ).subquery("asked")
    each = sa.func.json_each(sa.bindparam("rows", type_=sa.Text)).table_valued(
        "key", "value", name="each"
    )
    # Materialized: otherwise SQLite parses the JSON again at each use of a column.
    return (
        sa.select(
            each.c.key.label("row"),
            *(
                sa.func.json_extract(
                    each.c.value, sa.literal_column(f"'$[{place}]'"), type_=sa.BigInteger
                ).label(name)
                for place, name in enumerate(names)
            ),
        )
        .cte("asked")
        .prefix_with("MATERIALIZED")
    )


_ROW = ("entity_id", "moment", "known_by")


def row_parameters(
    dialect: sa.Dialect,
    entity_ids: Int64Array,
    moments: Int64Array,
    known_by: Int64Array,
    **more: Int64Array,
) -> dict[str, object]:
    """Return the parameters behind `rows_asked`."""
    columns = [column.tolist() for column in (entity_ids, moments, known_by, *more.values())]
    if dialect.name == POSTGRESQL:
        names = (*_ROW, *more)
        return {f"row_{name}": column for name, column in zip(names, columns, strict=True)}
    return {"rows": json.dumps(list(zip(*columns, strict=True)))}


class NumbersGiven(FunctionElement[int]):
    """Stand for the numbers in a JSON list, after IN.

    One parameter however many there are: as one each they are compiled anew at every use.
    """

    name = "numbers_given"
    inherit_cache = True
    type = sa.BigInteger()


@compiles(NumbersGiven, SQLITE)
def _compile_for_sqlite(
    given: NumbersGiven, compiler: sa.sql.compiler.SQLCompiler, **options: object
) -> str:
    text = compiler.process(given.clauses, **options)
    return f"(SELECT value FROM json_each({text}))"  # noqa: S608 - a parameter's place


@compiles(NumbersGiven, POSTGRESQL)
def _compile_for_postgresql(
    given: NumbersGiven, compiler: sa.sql.compiler.SQLCompiler, **options: object
) -> str:
    text = compiler.process(given.clauses, **options)
    return f"(SELECT CAST(json_array_elements_text(CAST({text} AS json)) AS bigint))"


def names_asked(dialect: sa.Dialect) -> FromClause:
    """Return the names of `name_parameters`: place (from 0), name."""
    if dialect.name == POSTGRESQL:
        each = (
            sa.func.unnest(sa.bindparam("names", type_=ARRAY(sa.Text)))
            .table_valued("name", with_ordinality="position", name="name_each")
            .render_derived()
        )
        return sa.select((each.c.position - 1).label("place"), each.c.name).subquery("named")
    each = sa.func.json_each(sa.bindparam("names", type_=sa.Text)).table_valued(
        "key", "value", name="name_each"
    )
    return sa.select(each.c.key.label("place"), each.c.value.label("name")).subquery("named")


def name_parameters(dialect: sa.Dialect, names: Sequence[str]) -> dict[str, object]:
    """Return the parameters behind `names_asked`."""
    if dialect.name == POSTGRESQL:
        return {"names": list(names)}
    return {"names": json.dumps(list(names))}


def joined_by_commas(
    integers: sa.ColumnElement[int], dialect: sa.Dialect
) -> sa.ColumnElement[str]:
    """Return the aggregate that joins integers to one text."""
    texts = sa.cast(integers, sa.Text)
    if dialect.name == POSTGRESQL:
        return sa.func.string_agg(texts, sa.literal_column("','"))
    return sa.func.group_concat(texts)
