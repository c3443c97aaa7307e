"""Removes versions that were superseded long ago.

With C the cutoff and S the first snapshot that stays answerable, a version goes if it was true
and known by C, and

- a later version of the same key (of an event, licence or logged page: of the same id) was
  known by C and appended by S, so that nobody at C or later hears it any more; or
- of the same entity and name something began to be true after it, by C, and was not retracted:
  then no question at C or later reaches back to it.

So every question at T, as known by K, on S' with T, K >= C and S' >= S keeps its answer,
whatever is appended later: `timetravel.writing.write_guard` refuses the one kind of fact that
would reach further back. `timetravel.reading.retained` refuses all other questions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from timetravel.database.schema import (
    attribute_fact,
    availability_fact,
    change_instant,
    document_fact,
    event_fact,
    feature_fact,
    logged_feature,
    logged_page,
)
from timetravel.facts.model import Op
from timetravel.removal.rehash import rehash_digests
from timetravel.upkeep.upkeep import UpkeepKind, begin_upkeep, read_retained

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_HOLDING: Final[Mapping[sa.Table, Sequence[str]]] = {
    feature_fact: ("group_id", "entity_id"),
    attribute_fact: ("kind", "entity_id", "name"),
    document_fact: ("collection", "name"),
}
"""Facts that hold until the next one, with what they are about."""
_IDENTIFIED: Final[Mapping[sa.Table, tuple[Sequence[str], str]]] = {
    event_fact: (("event_id",), "event_at"),
    availability_fact: (("window_id",), "valid_from"),
    logged_page: (("shown_at", "profile_id"), "shown_at"),
}
"""Facts with an id, and when they are true from."""
_PAGE_VERSION: Final = ("shown_at", "profile_id", "known_at", "tx_id")


@dataclass(frozen=True, slots=True)
class Bounds:
    """C and S of the rule."""

    cutoff: int
    snapshot: int


def count_superseded(connection: sa.Connection, bounds: Bounds) -> Mapping[str, int]:
    """Return how many rows retention would delete, by table that has any."""
    counts = {
        table.name: connection.execute(
            sa.select(sa.func.count()).select_from(table).where(is_superseded)
        ).scalar_one()
        for table, is_superseded in _superseded(bounds)
    }
    return {name: count for name, count in counts.items() if count}


def let_go(
    connection: sa.Connection, bounds: Bounds, *, began_at: int, reason: str, nonce: bytes
) -> Mapping[str, int]:
    """Delete superseded versions, record from where on the store answers, return the rows.

    Args:
        connection: Holds the one transaction that writes.
        bounds: What to keep.
        began_at: What the clock says, microseconds.
        reason: Why.
        nonce: Random bytes that nobody keeps; see `timetravel.removal.rehash`.
    """
    counts = {
        table.name: connection.execute(table.delete().where(is_superseded)).rowcount
        for table, is_superseded in _superseded(bounds)
    }
    removed = {name: count for name, count in counts.items() if count}
    before = read_retained(connection)
    is_further = bounds.cutoff > before.since or bounds.snapshot > before.snapshot
    if removed or is_further:
        begin_upkeep(
            connection,
            UpkeepKind.RETENTION,
            began_at=began_at,
            reason=reason,
            removed=removed,
            cutoff=bounds.cutoff,
            snapshot=bounds.snapshot,
        )
        rehash_digests(connection, nonce)
    return removed


def newest_known_at(connection: sa.Connection) -> int | None:
    """Return when the last fact became known, None if there is no fact."""
    tables = (*_HOLDING, *_IDENTIFIED)
    moments = [
        connection.execute(sa.select(sa.func.max(t.c.known_at))).scalar() for t in tables
    ]
    return max((moment for moment in moments if moment is not None), default=None)


def _superseded(bounds: Bounds) -> Iterator[tuple[sa.Table, sa.ColumnElement[bool]]]:
    # The features of a page go before the page, by which they are found.
    is_old_page = _is_overruled(logged_page, _PAGE_VERSION[:2], "shown_at", bounds)
    page = sa.select(sa.literal(1)).where(
        *(logged_page.c[name] == logged_feature.c[name] for name in _PAGE_VERSION), is_old_page
    )
    yield logged_feature, page.correlate(logged_feature).exists()
    for table, key in _HOLDING.items():
        overruled = _is_overruled(table, (*key, "valid_from"), "valid_from", bounds)
        yield table, sa.or_(overruled, _is_succeeded(table, key, bounds))
    for table, (identity, valid_from) in _IDENTIFIED.items():
        yield table, _is_overruled(table, identity, valid_from, bounds)
    # Nobody at the cutoff or later asks for a change before it.
    yield change_instant, change_instant.c.instant <= bounds.cutoff


def _is_old(version: sa.FromClause, valid_from: str, bounds: Bounds) -> sa.ColumnElement[bool]:
    return sa.and_(version.c[valid_from] <= bounds.cutoff, version.c.known_at <= bounds.cutoff)


def _is_overruled(
    table: sa.Table, key: Sequence[str], valid_from: str, bounds: Bounds
) -> sa.ColumnElement[bool]:
    return sa.and_(
        _is_old(table, valid_from, bounds), _later_version(table, table, key, bounds).exists()
    )


def _is_succeeded(
    table: sa.Table, key: Sequence[str], bounds: Bounds
) -> sa.ColumnElement[bool]:
    successor, retraction = table.alias("successor"), table.alias("retraction")
    own = (*key, "valid_from")
    is_heard = ~_later_version(table, successor, own, bounds).exists()
    is_retracted = (
        sa.select(sa.literal(1))
        .where(
            *(retraction.c[name] == successor.c[name] for name in own),
            _is_newer(retraction, successor),
            retraction.c.op == Op.RETRACT.value,
        )
        .correlate(successor)
        .exists()
    )
    found = (
        sa.select(sa.literal(1))
        .where(
            *(successor.c[name] == table.c[name] for name in key),
            successor.c.valid_from > table.c.valid_from,
            _is_old(successor, "valid_from", bounds),
            successor.c.tx_id <= bounds.snapshot,
            successor.c.op != Op.RETRACT.value,
            is_heard,
            ~is_retracted,
        )
        .correlate(table)
    )
    return sa.and_(_is_old(table, "valid_from", bounds), found.exists())


def _later_version(
    table: sa.Table, version: sa.FromClause, key: Sequence[str], bounds: Bounds
) -> sa.Select[Any]:
    """Select what overrules a version for everybody who is still answered."""
    later = table.alias("later")
    return (
        sa.select(sa.literal(1))
        .where(
            *(later.c[name] == version.c[name] for name in key),
            later.c.known_at <= bounds.cutoff,
            later.c.tx_id <= bounds.snapshot,
            _is_newer(later, version),
        )
        .correlate(version)
    )


def _is_newer(one: sa.FromClause, other: sa.FromClause) -> sa.ColumnElement[bool]:
    return sa.tuple_(one.c.known_at, one.c.tx_id) > sa.tuple_(other.c.known_at, other.c.tx_id)
