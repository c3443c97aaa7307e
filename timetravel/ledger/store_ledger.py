"""The ledger of a store, in SQL."""

from __future__ import annotations

import heapq
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
import sqlalchemy as sa

from timetravel.errors import UnknownEntity
from timetravel.facts.model import Attribution, EntityKind, FactKind
from timetravel.ledger.fact_table import equals
from timetravel.ledger.histories import describe_history
from timetravel.ledger.questions import TimeAxis
from timetravel.ledger.spans import Span
from timetravel.ledger.tables import FACT_TABLES
from timetravel.ledger.tokens import FactChange, Mark, decode_mark
from timetravel.queries.event_rows import EventRows
from timetravel.queries.logged_pages import LoggedPageFilter, read_logged_pages
from timetravel.queries.visibility import Bounds, is_after, is_in_snapshot, is_known, is_valid
from timetravel.reading.engagement import ShownPages, attach_pages, check_horizon
from timetravel.reading.profile_search import count_profiles, find_profiles
from timetravel.reading.reader import check_text
from timetravel.reading.result_rows import history_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from timetravel.database.engine import Connect
    from timetravel.facts.model import EventKind
    from timetravel.ledger.fact_table import Column, FactTable
    from timetravel.ledger.questions import Changes, HistoricalVersion
    from timetravel.ledger.versions import FactVersion, Subject
    from timetravel.queries.as_of_queries import AsOfQuestions
    from timetravel.queries.as_of_reader import AsOfReader
    from timetravel.queries.logged_pages import LoggedPage
    from timetravel.reading.engagement import EngagementRows
    from timetravel.reading.profile_search import ProfileCounts, ProfileRows, Strata
    from timetravel.reading.reader import Identities, Moments

_FIRST_READ: Final = 1_000
_LARGEST_READ: Final = 20_000
_GROWTH: Final = 4
"""Versions that are read at once: few at first, for those who want few."""


class StoreLedger:
    """Implements `timetravel.ledger.ledger.FactLedger` by SQL.

    Each read is one or more short transactions; a ledger may be shared by threads.

    Args:
        connect: Opens a transaction that reads.
        questions: The as-of statements of that database.
        reader: Reads the snapshot, and as known by what moment.
    """

    def __init__(self, connect: Connect, questions: AsOfQuestions, reader: AsOfReader) -> None:
        self._connect = connect
        self._questions = questions
        self._reader = reader
        self.snapshot = reader.snapshot
        self.known_by = reader.known_by

    def entity_history(
        self,
        subject: Subject,
        at: int,
        kinds: Iterable[FactKind] = (),
        names: Sequence[str] = (),
    ) -> list[HistoricalVersion]:
        """Return every version of every fact about a subject; see `FactLedger`."""
        for text in (subject.collection, subject.name, *names):
            check_text(text, field="names")
        asked = set(kinds) or set(FactKind)
        bounds = self._bounds(at)
        versions: list[FactVersion] = []
        with self._connect() as connection:
            for kind in subject.fact_kinds:
                if kind not in asked:
                    continue
                table = FACT_TABLES[kind]
                statement = table.select().where(
                    _is_about(table, subject),
                    is_known(table.facts, bounds),
                    is_in_snapshot(table.facts, bounds),
                )
                if names:
                    statement = statement.where(table.names(names))
                rows = connection.execute(statement)
                versions += [table.version(row) for row in rows]
        history = describe_history(subject, versions, at, self.known_by)
        if not history:
            raise UnknownEntity(
                f"There is no fact about {subject} on snapshot {self.snapshot}"
                + (f" named {', '.join(names)}." if names else "."),
                remedy="Name another, or ask for a later moment or snapshot.",
                field="entity",
            )
        return [self._clip(version) for version in history]

    def changed_facts(self, changes: Changes, resume_token: str = "") -> Iterator[FactChange]:
        """Yield what became true or known; see `FactLedger`."""
        self._reader.retained.check_moments(changes.since)
        mark = decode_mark(changes, resume_token, self.snapshot)
        streams = [
            self._changed(table, changes, mark)
            for kind, table in FACT_TABLES.items()
            if not changes.kinds or kind in changes.kinds
        ]
        merged = heapq.merge(*streams, key=lambda one: (changes.instant(one), one.place))
        for version in merged:
            yield FactChange(version, changes, self.snapshot)

    def find_profiles(
        self, at: int, strata: Strata, after: int | None = None, limit: int = 1000
    ) -> ProfileRows:
        """Return candidates by ascending id; see `FactLedger`."""
        return find_profiles(self._reader, at, strata, after, limit)

    def count_profiles(self, at: int, strata: Strata) -> ProfileCounts:
        """Return candidates by stratum; see `FactLedger`."""
        return count_profiles(self._reader, at, strata)

    def logged_pages(
        self,
        at: int,
        since: int | None = None,
        profile_ids: Sequence[int] | None = None,
        *,
        with_features: bool = True,
    ) -> Iterator[LoggedPage]:
        """Yield the pages shown in (since, at]; see `FactLedger`."""
        self._reader.retained.check_moments(at)
        chosen = LoggedPageFilter(
            self.snapshot,
            None if since is None else since + 1,
            at + 1,
            profile_ids,
            at if self.known_by is None else self.known_by,
        )
        return read_logged_pages(self._connect, chosen, with_features=with_features)

    def engagement(
        self,
        profile_ids: Identities,
        at: Moments,
        since: Moments | None = None,
        kinds: Sequence[EventKind] = (),
        horizon_micros: int = 0,
    ) -> EngagementRows:
        """Return the events of each row with their pages; see `FactLedger`."""
        self._reader.retained.check_moments(at)
        horizon = check_horizon(horizon_micros)
        dialect, rows = self._questions.dialect, len(profile_ids)
        events = EventRows.of(profile_ids, at, self.known_by, kinds, 0, since)
        # A page may be recorded that was shown any time before.
        pages = EventRows.of(profile_ids, at, self.known_by, (), 0, None)
        with self._connect() as connection:
            found = events.ask(connection, self._questions.engagement, dialect, self.snapshot)
            shown = pages.ask(connection, self._questions.pages_shown, dialect, self.snapshot)
        owners, shown_at, known_at = (
            np.array([row[place] for row in shown], np.int64) for place in range(3)
        )
        return attach_pages(
            history_rows(rows, [row[:-1] for row in found]),
            [_attribution(row[-1]) for row in found],
            ShownPages(owners, shown_at, known_at),
            horizon_micros=horizon,
        )

    def _clip(self, described: HistoricalVersion) -> HistoricalVersion:
        """Leave out when a version was visible before retention's cutoff: others are gone."""
        cutoff = self._reader.retained.since
        spans = tuple(
            Span(max(span.since, cutoff), span.until)
            for span in described.spans
            if span.until is None or span.until > cutoff
        )
        return replace(described, spans=spans)

    def _changed(
        self, table: FactTable, changes: Changes, mark: Mark | None
    ) -> Iterator[FactVersion]:
        instant = table.valid_from if changes.axis is TimeAxis.VALID else table.facts.c.known_at
        bounds = self._bounds(changes.until)
        order = [column for _, column in table.order]
        statement = (
            table.select()
            .where(
                is_after(instant, sa.literal(changes.since)),
                is_valid(instant, bounds),
                is_known(table.facts, bounds),
                is_in_snapshot(table.facts, bounds),
            )
            .order_by(instant, *order)
        )
        if changes.entities:
            statement = statement.where(_is_about_any(table, changes.entities))
        limit = min(_FIRST_READ, _LARGEST_READ)
        while True:
            asked = statement.limit(limit)
            if mark is not None:
                asked = asked.where(_is_behind(table, instant, mark))
            with self._connect() as connection:
                rows = connection.execute(asked).all()
            versions = [table.version(row) for row in rows]
            yield from versions
            if len(versions) < limit:
                return
            limit = min(_GROWTH * limit, _LARGEST_READ)
            mark = Mark(changes.instant(versions[-1]), versions[-1].place)

    def _bounds(self, at: int) -> Bounds:
        self._reader.retained.check_moments(at)
        known_by = at if self.known_by is None else self.known_by
        return Bounds(*(sa.literal(bound) for bound in (at, known_by, self.snapshot)))


def _is_about(table: FactTable, subject: Subject) -> Column:
    kind, entity_id, collection = table.about
    if subject.kind is None:
        return sa.and_(equals(collection, subject.collection), equals(table.name, subject.name))
    about = sa.and_(equals(kind, subject.kind.value), equals(entity_id, subject.entity_id))
    if table.identity is None:
        return about
    # Versions that name another entity overrule, and are overruled by, those that name it.
    return table.identity.in_(sa.select(table.identity).where(about))


def _is_about_any(table: FactTable, entities: Iterable[tuple[EntityKind, int]]) -> Column:
    kind_part, entity_id, _ = table.about
    if isinstance(entity_id, int | str):
        return sa.false()
    ids: dict[EntityKind, list[int]] = {kind: [] for kind in EntityKind}
    for kind, identity in sorted(entities):
        ids[kind].append(identity)
    return sa.or_(
        *(
            sa.and_(equals(kind_part, kind.value), entity_id.in_(entity_ids))
            for kind, entity_ids in ids.items()
        )
    )


def _is_behind(table: FactTable, instant: Column, mark: Mark) -> Column:
    kind, *place = mark.place
    if kind != table.kind.value:
        later = kind > table.kind.value
        return instant > mark.instant if later else instant >= mark.instant
    columns = [instant, *(column for _, column in table.order)]
    values = [mark.instant, *(place[index] for index, _ in table.order)]
    bounds = (
        sa.literal(value, column.type) for value, column in zip(values, columns, strict=True)
    )
    return sa.tuple_(*columns) > sa.tuple_(*bounds)


def _attribution(text: str | None) -> Attribution | None:
    return None if text is None else Attribution(**json.loads(text))
