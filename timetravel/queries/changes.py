"""When a result about the whole catalogue may change.

Each append notes, per subject, the moments at which its facts come into view, pass out of
it, or overrule others. They are few, because facts arrive in jobs; so "unchanged until" is
one seek, where the facts themselves would have to be scanned. A noted moment may turn out to
change nothing (that costs a reader one question too many); a change is never left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from core.moments import EARLIEST_MICROS
from timetravel.database.compiled_query import Question, name_parameters, names_asked
from timetravel.database.schema import change_instant, document_fact

if TYPE_CHECKING:
    from collections.abc import Sequence

AVAILABILITY: Final = "availability"
OVERRULED: Final = EARLIEST_MICROS
"""The valid edge of a fact that overrules another: it changes answers once it is known."""


def features_subject(group: str) -> str:
    """Return the subject of one feature group of videos."""
    return f"features/{group}"


def attribute_subject(name: str) -> str:
    """Return the subject of one attribute of videos."""
    return f"attribute/{name}"


class ChangeQuestions:
    """Finds the first change after a moment, on one database."""

    def __init__(self, dialect: sa.Dialect) -> None:
        self._dialect = dialect
        self._as_known_then = Question.compile(_first_instant(dialect), dialect)
        self._as_known_by = Question.compile(_first_valid_edge(dialect), dialect)
        self._document_then = Question.compile(_document_change(fixed=False), dialect)
        self._document_by = Question.compile(_document_change(fixed=True), dialect)

    def next_change(
        self,
        connection: sa.Connection,
        subjects: Sequence[str],
        at: int,
        *,
        known_by: int | None,
        snapshot: int,
    ) -> int | None:
        """Return the first moment after `at` at which an answer about a subject may change."""
        question = self._as_known_then if known_by is None else self._as_known_by
        rows = question.ask(
            connection,
            at=at,
            snapshot=snapshot,
            **({} if known_by is None else {"known_by": known_by}),
            **name_parameters(self._dialect, subjects),
        )
        return _first(rows)

    def next_document_change(
        self,
        connection: sa.Connection,
        collection: str,
        name: str,
        at: int,
        *,
        known_by: int | None,
        snapshot: int,
    ) -> int | None:
        """Return the first moment after `at` at which a document may change."""
        question = self._document_then if known_by is None else self._document_by
        rows = question.ask(
            connection,
            collection=collection,
            name=name,
            at=at,
            snapshot=snapshot,
            **({} if known_by is None else {"known_by": known_by}),
        )
        return _first(rows)


def _first(rows: Sequence[tuple[int | None]]) -> int | None:
    return min((row[0] for row in rows if row[0] is not None), default=None)


def _first_instant(dialect: sa.Dialect) -> sa.Select[tuple[int | None]]:
    named = names_asked(dialect)
    change = change_instant
    return sa.select(
        sa.select(sa.func.min(change.c.instant))
        .where(
            change.c.subject == named.c.name,
            change.c.instant > _parameter("at"),
            change.c.tx_id <= _parameter("snapshot"),
        )
        .scalar_subquery()
    ).select_from(named)


def _first_valid_edge(dialect: sa.Dialect) -> sa.Select[tuple[int | None]]:
    named = names_asked(dialect)
    change = change_instant
    return sa.select(
        sa.select(sa.func.min(change.c.valid_edge))
        .where(
            change.c.subject == named.c.name,
            change.c.instant > _parameter("at"),  # implied by the next, and indexed
            change.c.valid_edge > _parameter("at"),
            change.c.known_at <= _parameter("known_by"),
            change.c.tx_id <= _parameter("snapshot"),
        )
        .scalar_subquery()
    ).select_from(named)


def _document_change(*, fixed: bool) -> sa.Select[tuple[int | None]]:
    facts = document_fact
    instant = (
        facts.c.valid_from
        if fixed
        else sa.case(
            (facts.c.valid_from > facts.c.known_at, facts.c.valid_from), else_=facts.c.known_at
        )
    )
    statement = sa.select(sa.func.min(instant)).where(
        facts.c.collection == sa.bindparam("collection", type_=sa.Text),
        facts.c.name == sa.bindparam("name", type_=sa.Text),
        instant > _parameter("at"),
        facts.c.tx_id <= _parameter("snapshot"),
    )
    return statement.where(facts.c.known_at <= _parameter("known_by")) if fixed else statement


def _parameter(name: str) -> sa.BindParameter[int]:
    return sa.bindparam(name, type_=sa.BigInteger)
