"""Records when results about the whole catalogue may change, as facts are appended.

`timetravel.queries.changes` reads the notes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from timetravel.database.compiled_query import Question, name_parameters, names_asked
from timetravel.database.schema import availability_fact, change_instant
from timetravel.queries.changes import AVAILABILITY, OVERRULED
from timetravel.writing.bulk import insert_unless_there

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def note_changes(
    connection: sa.Connection, edges: Mapping[str, Iterable[tuple[int, int]]], tx_id: int
) -> None:
    """Note pairs of valid edge and known_at per subject; what is noted already stays."""
    rows = [
        (subject, max(edge, known_at), edge, known_at, tx_id)
        for subject, pairs in edges.items()
        for edge, known_at in sorted(pairs)
    ]
    insert_unless_there(connection, change_instant, rows)


def note_overruled(connection: sa.Connection, window_ids: Sequence[str], tx_id: int) -> None:
    """Note when licence windows overrule earlier versions of themselves."""
    if not window_ids:
        return
    dialect = connection.dialect
    question = Question.compile(_overruling(dialect), dialect)
    found = question.ask(connection, **name_parameters(dialect, window_ids))
    note_changes(connection, {AVAILABILITY: {(OVERRULED, row[0]) for row in found}}, tx_id)


def _overruling(dialect: sa.Dialect) -> sa.Select[tuple[int]]:
    named = names_asked(dialect)
    version, earlier = availability_fact.alias("version"), availability_fact.alias("earlier")
    overruled = (
        sa.exists()
        .where(
            earlier.c.window_id == version.c.window_id,
            earlier.c.known_at < version.c.known_at,
        )
        .correlate(version)
    )
    return (
        sa.select(version.c.known_at)
        .distinct()
        .select_from(named.join(version, version.c.window_id == named.c.name))
        .where(overruled)
    )
