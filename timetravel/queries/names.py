"""The names of attributes and documents that a store has ever held."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from timetravel.database.schema import attribute_fact, document_fact
from timetravel.reading.allocations import allocated_test

if TYPE_CHECKING:
    from timetravel.facts.model import EntityKind


def read_attribute_names(
    connection: sa.Connection, kind: EntityKind, snapshot: int
) -> tuple[str, ...]:
    """Return the attributes that entities of a kind ever had, allocations left out; sorted."""
    facts = attribute_fact.c
    found = connection.execute(
        sa.select(facts.name)
        .distinct()
        .where(facts.kind == kind.value, facts.tx_id <= snapshot)
        .order_by(facts.name)
    ).scalars()
    return tuple(name for name in found if allocated_test(name) is None)


def read_document_names(
    connection: sa.Connection, collection: str, snapshot: int
) -> tuple[str, ...]:
    """Return the documents that a collection ever had, sorted."""
    facts = document_fact.c
    found = connection.execute(
        sa.select(facts.name)
        .distinct()
        .where(facts.collection == collection, facts.tx_id <= snapshot)
        .order_by(facts.name)
    ).scalars()
    return tuple(found)
