"""The table of one kind of fact, and the meaning of its columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from timetravel.database.schema import attribute_fact, ingest_transaction
from timetravel.facts.model import EntityKind, FactKind, Op
from timetravel.ledger.versions import FactVersion, Subject
from timetravel.reading.allocations import allocation_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.sql.selectable import FromClause

    from timetravel.facts.model import JsonValue

Column = sa.ColumnElement[Any]

Part = Column | int | str
"""A column, or what is the same for every row of a table."""


@dataclass(frozen=True, slots=True)
class FactTable:
    """One kind of fact as a table: where versions are, and what the columns mean.

    Attributes:
        kind: The kind of fact.
        facts: Has known_at, tx_id and op.
        source: What to select from.
        about: entity kind and id, and collection, of each version.
        name: Which of the subject's facts.
        valid_from: When it begins.
        identity: The id, of facts whose versions may be about different entities.
        values: What `read` is given.
        read: Makes the value.
        condition: What rows must meet.
        valid_to: When a licence ends.
    """

    kind: FactKind
    facts: sa.Table
    source: FromClause
    about: tuple[Part, Part, Part]
    name: Part
    valid_from: Column
    identity: Column | None
    values: Sequence[Column]
    read: Callable[..., JsonValue]
    condition: Column | None = None
    valid_to: Column | None = None

    @property
    def place(self) -> tuple[Part, ...]:
        """The columns of `FactVersion.place` behind the kind."""
        return (
            *self.about,
            self.name,
            self.valid_from,
            self.facts.c.known_at,
            self.facts.c.tx_id,
        )

    @property
    def order(self) -> list[tuple[int, Column]]:
        """What rows are ordered by: columns with their places, without what never differs."""
        return [
            (place, column)
            for place, column in enumerate(self.place)
            if not isinstance(column, int | str)
        ]

    def select(self) -> sa.Select[Any]:
        """Select everything that `version` wants, in its order."""
        transaction = ingest_transaction
        valid_to = sa.null() if self.valid_to is None else self.valid_to
        statement = sa.select(
            *(_selected(part) for part in self.place),
            self.facts.c.op,
            valid_to,
            transaction.c.committed_at,
            transaction.c.source,
            transaction.c.synthetic,
            *self.values,
        ).select_from(self.source.join(transaction, transaction.c.tx_id == self.facts.c.tx_id))
        return statement if self.condition is None else statement.where(self.condition)

    def count(self, snapshot: int) -> sa.Select[Any]:
        """Select how many versions a snapshot has."""
        statement = (
            sa.select(sa.func.count())
            .select_from(self.facts)
            .where(self.facts.c.tx_id <= snapshot)
        )
        return statement if self.condition is None else statement.where(self.condition)

    def version(self, row: Sequence[Any]) -> FactVersion:
        """Return the version that a row of `select` holds."""
        kind, entity_id, collection, name, valid_from, known_at, tx_id, op, *rest = row
        valid_to, committed_at, source, synthetic, *values = rest
        about = (
            Subject(EntityKind(kind), entity_id) if kind else Subject.document(collection, name)
        )
        return FactVersion(
            self.kind,
            about,
            name if kind else "",
            valid_from,
            valid_to,
            known_at,
            tx_id,
            committed_at,
            source,
            bool(synthetic),
            Op(op),
            self.read(*values),
        )

    def names(self, names: Sequence[str]) -> Column:
        """Return the condition that a version has one of some names."""
        if self.kind is FactKind.ALLOCATION:
            return attribute_fact.c.name.in_([allocation_name(test) for test in names])
        if isinstance(self.name, int | str):
            return sa.literal(self.name in names)
        return self.name.in_(names)


def equals(part: Part, value: int | str) -> Column:
    """Return the condition that a part of what versions are about has a value."""
    return sa.literal(part == value) if isinstance(part, int | str) else part == value


def _selected(part: Part) -> Column:
    return sa.literal_column(repr(part)) if isinstance(part, int | str) else part
