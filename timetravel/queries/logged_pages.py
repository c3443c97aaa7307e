"""Reads logged pages."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
import sqlalchemy as sa

from core.moments import EARLIEST_MICROS, LAST_MICROS
from timetravel.database.compiled_query import NumbersGiven, Question
from timetravel.database.schema import logged_feature, logged_page
from timetravel.facts.logged_features import decode_logged_features
from timetravel.queries.visibility import (
    Bounds,
    is_asserted,
    is_in_snapshot,
    is_known,
    speaks_for,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from core.arrays import Int32Array, Int64Array
    from timetravel.database.engine import Connect
    from timetravel.facts.model import JsonValue, LoggedFeatures

PAGE_KEY: Final = ("shown_at", "profile_id")
"""What names a page: a profile is shown one at a moment."""
_BEFORE_ALL: Final = (EARLIEST_MICROS, -1)
_PAGES_PER_READ: Final = 500
_KEYS_PER_READ: Final = 20_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class LoggedPage:
    """A page as it was logged.

    page holds the canonical bytes of pagesim.page.v1.Page. features is empty unless it was
    asked for.
    """

    profile_id: int
    shown_at: int
    known_at: int
    device: str
    context: Mapping[str, JsonValue]
    page: bytes
    page_digest: str
    features: tuple[LoggedFeatures, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ShownPages:
    """Logged pages without what they hold, by shown_at and profile.

    Args:
        shown_at: int64[pages], microseconds.
        profile_ids: int64[pages].
        device_indexes: int32[pages], places in `devices`.
        devices: Each once.
    """

    shown_at: Int64Array
    profile_ids: Int64Array
    device_indexes: Int32Array
    devices: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.shown_at)


@dataclass(frozen=True, slots=True)
class LoggedPageFilter:
    """Which logged pages: shown in [since, until), to some profiles, as known by a moment.

    known_by None takes all that became known up to the snapshot.
    """

    snapshot: int
    since: int | None = None
    until: int | None = None
    profile_ids: Sequence[int] | None = None
    known_by: int | None = None

    def select(self, *columns: sa.ColumnElement[Any] | sa.Table) -> sa.Select[Any]:
        """Select columns of the visible version of each page that passes."""
        bounds = Bounds(
            at=sa.literal(LAST_MICROS),
            known_by=sa.literal(LAST_MICROS if self.known_by is None else self.known_by),
            snapshot=sa.literal(self.snapshot),
        )
        statement = sa.select(*columns).where(
            is_known(logged_page, bounds),
            is_in_snapshot(logged_page, bounds),
            is_asserted(logged_page),
            speaks_for(logged_page, logged_page, PAGE_KEY, bounds),
        )
        if self.since is not None:
            statement = statement.where(logged_page.c.shown_at >= self.since)
        if self.until is not None:
            statement = statement.where(logged_page.c.shown_at < self.until)
        if self.profile_ids is not None:
            given = json.dumps([int(identity) for identity in self.profile_ids])
            is_given = logged_page.c.profile_id.op("IN", is_comparison=True)
            statement = statement.where(is_given(NumbersGiven(sa.literal(given))))
        return statement


def count_logged_pages(connect: Connect, chosen: LoggedPageFilter) -> int:
    """Return how many logged pages pass."""
    with connect() as connection:
        count: int = connection.execute(
            chosen.select(sa.func.count()).select_from(logged_page)
        ).scalar_one()
    return count


def read_shown(connect: Connect, chosen: LoggedPageFilter) -> ShownPages:
    """Return the keys of logged pages, read in many short transactions.

    What the pages hold, which is nearly all of them, is not read.
    """
    columns = [logged_page.c[name] for name in (*PAGE_KEY, "device")]
    after = sa.tuple_(*columns[:2]) > sa.tuple_(
        *(sa.bindparam(f"after_{column.name}", type_=column.type) for column in columns[:2])
    )
    statement = (
        chosen.select(*columns)
        .where(after)
        .order_by(*columns[:2])
        .limit(sa.literal_column(str(_KEYS_PER_READ)))
    )
    parts: list[tuple[Int64Array, Int64Array, Int32Array]] = []
    places: dict[str, int] = defaultdict(count().__next__)
    last = _BEFORE_ALL
    while True:
        with connect() as connection:
            rows = Question.compile(statement, connection.dialect).ask(
                connection, after_shown_at=last[0], after_profile_id=last[1]
            )
        parts.append(
            (
                np.array([row[0] for row in rows], np.int64),
                np.array([row[1] for row in rows], np.int64),
                np.array([places[row[2]] for row in rows], np.int32),
            )
        )
        if len(rows) < _KEYS_PER_READ:
            break
        last = rows[-1][:2]
    shown_at, profiles, device_indexes = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    return ShownPages(shown_at, profiles, device_indexes, tuple(places))


@dataclass(frozen=True, slots=True, eq=False)
class LoggedDigests:
    """Hold what names logged pages, and their digests, in columns.

    Args:
        shown_at: int64[pages], ascending.
        profile_ids: int64[pages], ascending within a moment.
        devices: One per page.
        digests: One per page.
    """

    shown_at: Int64Array
    profile_ids: Int64Array
    devices: Sequence[str]
    digests: Sequence[str]

    def since(self, moment: int) -> LoggedDigests:
        """Return those shown at a moment or later."""
        first = int(np.searchsorted(self.shown_at, moment))
        return LoggedDigests(
            self.shown_at[first:],
            self.profile_ids[first:],
            self.devices[first:],
            self.digests[first:],
        )

    def followed_by(self, later: LoggedDigests) -> LoggedDigests:
        """Return these, and then others that were shown later."""
        return LoggedDigests(
            np.concatenate([self.shown_at, later.shown_at]),
            np.concatenate([self.profile_ids, later.profile_ids]),
            [*self.devices, *later.devices],
            [*self.digests, *later.digests],
        )


def read_digests(connect: Connect, chosen: LoggedPageFilter) -> LoggedDigests:
    """Return the digests of logged pages, without what the pages hold."""
    columns = (
        logged_page.c.shown_at,
        logged_page.c.profile_id,
        logged_page.c.device,
        logged_page.c.page_digest,
    )
    found = [
        row
        for rows, _ in _read_in_batches(connect, chosen.select(*columns), _KEYS_PER_READ)
        for row in rows
    ]
    shown_at, profile_ids, devices, digests = zip(*found, strict=True) if found else ((),) * 4
    return LoggedDigests(
        np.array(shown_at, np.int64), np.array(profile_ids, np.int64), devices, digests
    )


def read_logged_pages(
    connect: Connect, chosen: LoggedPageFilter, *, with_features: bool
) -> Iterator[LoggedPage]:
    """Yield logged pages by shown_at and profile."""
    read = _features_of if with_features else None
    for rows, features in _read_in_batches(
        connect, chosen.select(logged_page), _PAGES_PER_READ, read
    ):
        for row in rows:
            yield LoggedPage(
                row.profile_id,
                row.shown_at,
                row.known_at,
                row.device,
                json.loads(row.context),
                row.page,
                row.page_digest,
                tuple((features or {}).get(_version_of(row), ())),
            )


def _read_in_batches(
    connect: Connect,
    statement: sa.Select[Any],
    size: int,
    read_more: Callable[[sa.Connection, Sequence[Any]], T] | None = None,
) -> Iterator[tuple[Sequence[Any], T | None]]:
    """Yield rows, and what else is read of them, in many short transactions.

    So a slow consumer holds nothing up.
    """
    place = sa.tuple_(logged_page.c.shown_at, logged_page.c.profile_id)
    ordered = statement.order_by(*place.clauses).limit(size)
    last = _BEFORE_ALL
    while True:
        with connect() as connection:
            rows = connection.execute(ordered.where(place > last)).all()
            more = None if read_more is None else read_more(connection, rows)
        yield rows, more
        if len(rows) < size:
            return
        last = (rows[-1].shown_at, rows[-1].profile_id)


def _features_of(
    connection: sa.Connection, pages: Sequence[Any]
) -> Mapping[tuple[int, int, int, int], list[LoggedFeatures]]:
    features: dict[tuple[int, int, int, int], list[LoggedFeatures]] = {}
    if not pages:
        return features
    wanted = {_version_of(page) for page in pages}
    rows = connection.execute(
        sa.select(logged_feature)
        .where(
            logged_feature.c.shown_at.between(pages[0].shown_at, pages[-1].shown_at),
            logged_feature.c.profile_id.in_({page.profile_id for page in pages}),
        )
        .order_by(logged_feature.c.feature_group)
    )
    for row in rows:
        version = _version_of(row)
        if version in wanted:
            features.setdefault(version, []).append(
                decode_logged_features(row.feature_group, row.entities, row.columns)
            )
    return features


def _version_of(row: Any) -> tuple[int, int, int, int]:  # noqa: ANN401 - a database row
    return row.shown_at, row.profile_id, row.known_at, row.tx_id
