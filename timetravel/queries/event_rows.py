"""Reads the visible events of many profiles, each at its own moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from timetravel.database.compiled_query import row_parameters
from timetravel.database.engine import POSTGRESQL
from timetravel.facts.model import EventKind
from timetravel.reading.reader import first_moments, moments_per_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    import sqlalchemy as sa

    from core.arrays import Int64Array
    from timetravel.database.compiled_query import Question
    from timetravel.reading.reader import Identities, Moments

_ALL_EVENTS: Final = 2**62


@dataclass(frozen=True, slots=True, eq=False)
class EventRows:
    """Whose events are asked for: int64[rows] each, kinds and limits for all rows.

    Row i wants the newest max_events of the events in (since[i], moments[i]].
    """

    profile_ids: Int64Array
    moments: Int64Array
    known_by: Int64Array
    since: Int64Array
    kinds: Sequence[EventKind]
    max_events: int

    @classmethod
    def of(
        cls,
        profile_ids: Identities,
        at: Moments,
        known_by: int | None,
        kinds: Sequence[EventKind],
        max_events: int,
        since: Moments | None,
    ) -> EventRows:
        """Return the rows of a question as `FactReader.history` has it."""
        rows = len(profile_ids)
        moments = moments_per_row(at, rows)
        return cls(
            np.asarray(profile_ids, dtype=np.int64),
            moments,
            moments if known_by is None else np.full_like(moments, known_by),
            first_moments(since, rows),
            kinds,
            max_events,
        )

    def ask(
        self, connection: sa.Connection, question: Question, dialect: sa.Dialect, snapshot: int
    ) -> list[Any]:
        """Return the tuples found, by row and newest first."""
        limits: dict[str, object] = {
            "kind_mask": sum(1 << kind for kind in set(self.kinds or EventKind)),
            "max_events": self.max_events or _ALL_EVENTS,
            "snapshot": snapshot,
        }
        columns = (self.profile_ids, self.moments, self.known_by, self.since)
        if dialect.name == POSTGRESQL:
            rows = row_parameters(dialect, *columns[:3], since=self.since)
            return question.ask(connection, **limits, **rows)
        found: list[Any] = []
        asked = zip(*(column.tolist() for column in columns), strict=True)
        for row, (profile_id, moment, known_by, since) in enumerate(asked):
            found += question.ask(
                connection,
                row=row,
                entity_id=profile_id,
                moment=moment,
                known_by=known_by,
                since=since,
                **limits,
            )
        return found
