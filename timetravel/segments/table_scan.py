"""Reads whole tables in batches, in the order of their keys.

Each page is a short transaction: a long one would keep SQLite from folding its log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from timetravel.database.compiled_query import Question
from timetravel.database.engine import POSTGRESQL
from timetravel.database.schema import ingest_transaction
from timetravel.writing.digest import EMPTY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from timetravel.database.engine import Connect

BATCH_ROWS: Final = 20_000
_CHOSEN_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Choice:
    """Which rows of a fact table are read.

    Attributes:
        table: To read from.
        conditions: What the rows must meet, besides the snapshot.
        key: The table's primary key, or what is left of it under the conditions: rows come
            in its order.
        chosen: A column whose value must be one of `identities`; None takes every row.
        identities: Ascending.
    """

    table: sa.FromClause
    conditions: Sequence[sa.ColumnElement[bool]]
    key: Sequence[str]
    chosen: sa.ColumnElement[int] | None = None
    identities: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class TableScan:
    """Reads rows of one snapshot.

    Attributes:
        connect: Opens a transaction that reads.
        dialect: Of the database.
        snapshot: Newest transaction to read.
    """

    connect: Connect
    dialect: sa.Dialect
    snapshot: int

    def count(self, choice: Choice) -> int:
        """Return the number of rows."""
        question = self._compile(self._select(choice, [sa.func.count()]))
        total = 0
        for chosen in self._chosen(choice):
            with self.connect() as connection:
                total += question.ask(connection, snapshot=self.snapshot, **chosen)[0][0]
        return total

    def read(
        self, choice: Choice, columns: Sequence[sa.ColumnElement[Any]]
    ) -> Iterator[list[Any]]:
        """Yield batches of rows: the columns, in the order of the key."""
        key = [choice.table.c[name] for name in choice.key]
        statement = (
            self._select(choice, [*key, *columns])
            .order_by(*key)
            .limit(sa.literal_column(str(BATCH_ROWS)))
        )
        after = sa.tuple_(*key) > sa.tuple_(
            *(sa.bindparam(f"after_{column.name}", type_=column.type) for column in key)
        )
        first, following = self._compile(statement), self._compile(statement.where(after))
        for chosen in self._chosen(choice):
            question, last = first, dict[str, Any]()
            while True:
                with self.connect() as connection:
                    rows = question.ask(connection, snapshot=self.snapshot, **chosen, **last)
                if rows:
                    yield [row[len(key) :] for row in rows]
                if len(rows) < BATCH_ROWS:
                    break
                question = following
                last = {
                    f"after_{name}": value
                    for name, value in zip(choice.key, rows[-1], strict=False)
                }

    def all(self, statement: sa.Select[Any], **parameters: object) -> list[Any]:
        """Return all rows of a statement, which is bounded by the parameter `snapshot`."""
        with self.connect() as connection:
            return self._compile(statement).ask(
                connection, snapshot=self.snapshot, **parameters
            )

    def digest(self) -> str:
        """Return the digest of all that the snapshot holds; see `timetravel.writing.digest`."""
        transaction = ingest_transaction
        rows = self.all(
            sa.select(transaction.c.digest)
            .where(transaction.c.tx_id <= snapshot_parameter())
            .order_by(transaction.c.tx_id.desc())
            .limit(sa.literal_column("1"))
        )
        return str(rows[0][0]) if rows else EMPTY

    def _select(
        self, choice: Choice, columns: Sequence[sa.ColumnElement[Any]]
    ) -> sa.Select[Any]:
        conditions = [*choice.conditions, choice.table.c.tx_id <= snapshot_parameter()]
        if choice.chosen is not None:
            conditions.append(self._is_chosen(choice.chosen))
        return sa.select(*columns).select_from(choice.table).where(*conditions)

    def _is_chosen(self, column: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
        if self.dialect.name == POSTGRESQL:
            return column == sa.any_(sa.bindparam("identities", type_=ARRAY(sa.BigInteger)))
        each = sa.func.json_each(sa.bindparam("identities", type_=sa.Text))
        return column.in_(sa.select(each.table_valued("value").c.value))

    def _chosen(self, choice: Choice) -> Iterator[dict[str, object]]:
        if choice.chosen is None:
            yield {}
            return
        for start in range(0, len(choice.identities), _CHOSEN_AT_ONCE):
            some = list(choice.identities[start : start + _CHOSEN_AT_ONCE])
            postgres = self.dialect.name == POSTGRESQL
            yield {"identities": some if postgres else str(some)}

    def _compile(self, statement: sa.Select[Any]) -> Question:
        return Question.compile(statement, self.dialect)


def snapshot_parameter() -> sa.BindParameter[int]:
    """Return the parameter that holds the snapshot."""
    return sa.bindparam("snapshot", type_=sa.BigInteger)
