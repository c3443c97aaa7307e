"""The rule of visibility in SQL; `tests/oracle/resolution.py` says the same in plain Python.

At T, as known by K, on snapshot S, a version counts if `valid_from <= T`, `known_at <= K` and
`tx_id <= S`. Of the versions of one key and one valid_from the newest (known_at, tx_id)
speaks for all; the latest valid_from whose spokesman does not retract is visible. Things with
an id (events, licence windows) have one spokesman per id, wherever it puts them in time.

The rule is stated once, with SQLAlchemy. Only the way to ask it for many rows differs:
PostgreSQL joins laterally, SQLite seeks the primary key that a correlated subquery finds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import sqlalchemy as sa

from timetravel.database.engine import POSTGRESQL
from timetravel.facts.model import Op

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.sql.selectable import FromClause

Expression: TypeAlias = "sa.ColumnElement[Any]"
Key: TypeAlias = "Mapping[str, Expression]"


@dataclass(frozen=True, slots=True)
class Bounds:
    """T, K and S as SQL expressions."""

    at: Expression
    known_by: Expression
    snapshot: Expression


def is_valid(valid_from: Expression, bounds: Bounds) -> Expression:
    """Return whether a version is true at T or was before."""
    return valid_from <= bounds.at


def is_after(moment: Expression, since: Expression) -> Expression:
    """Return whether a moment lies within a window that begins after another."""
    return moment > since


def is_known(version: FromClause, bounds: Bounds) -> Expression:
    """Return whether the live system knew a version by K."""
    return version.c.known_at <= bounds.known_by


def is_in_snapshot(version: FromClause, bounds: Bounds) -> Expression:
    """Return whether a version had been appended by S."""
    return version.c.tx_id <= bounds.snapshot


def is_not_retracted(version: FromClause) -> Expression:
    """Return whether a version lets the versions before it stay hidden."""
    return version.c.op != Op.RETRACT.value


def is_asserted(version: FromClause) -> Expression:
    """Return whether a version says that there is something."""
    return version.c.op == Op.ASSERT.value


def speaks_for(
    version: FromClause, facts: sa.Table, key: Sequence[str], bounds: Bounds
) -> Expression:
    """Return whether no version of the same key that counts is newer."""
    later = facts.alias("later")
    newer = (
        sa.select(later.c.tx_id)
        .where(
            *(later.c[column] == version.c[column] for column in key),
            is_known(later, bounds),
            is_in_snapshot(later, bounds),
            sa.tuple_(later.c.known_at, later.c.tx_id)
            > sa.tuple_(version.c.known_at, version.c.tx_id),
        )
        .correlate_except(later)
        # Keeps PostgreSQL from an anti-join, which reads every version of the entity.
        .offset(sa.literal_column("0"))
    )
    return ~newer.exists()


def select_visible(facts: sa.Table, key: Key, bounds: Bounds) -> sa.Select[Any]:
    """Select the one version of a key with valid_from that is visible, if any is."""
    version = facts.alias("version")
    return (
        sa.select(version)
        .where(
            *(version.c[column] == value for column, value in key.items()),
            is_valid(version.c.valid_from, bounds),
            is_known(version, bounds),
            is_in_snapshot(version, bounds),
            is_not_retracted(version),
            speaks_for(version, facts, [*key, "valid_from"], bounds),
        )
        .order_by(version.c.valid_from.desc())
        .limit(1)
    )


def join_visible(
    asked: FromClause, facts: sa.Table, key: Key, bounds: Bounds, *, dialect: sa.Dialect
) -> tuple[FromClause, FromClause]:
    """Join each row asked for with the version visible to it, if any is.

    Returns:
        What to select from, and the version within it.
    """
    visible = select_visible(facts, key, bounds)
    if dialect.name == POSTGRESQL:
        found: FromClause = visible.lateral("found")
        return asked.outerjoin(found, sa.true()), found
    found = facts.alias("found")
    place = visible.with_only_columns(
        *(visible.selected_columns[name] for name in ("valid_from", "known_at", "tx_id"))
    )
    # An outer join also keeps SQLite from starting at the facts.
    return asked.outerjoin(
        found,
        sa.and_(
            *(found.c[column] == value for column, value in key.items()),
            sa.tuple_(found.c.valid_from, found.c.known_at, found.c.tx_id)
            == place.scalar_subquery().correlate(asked),
        ),
    ), found
