"""The record of erasures and retention.

A piece of upkeep begins in the transaction that takes facts out, and ends when nothing of them
is left in the store's files and in the copies that can be reached. Stopped in between, it is
carried on by the next.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from core.moments import EARLIEST_MICROS
from timetravel.database.schema import upkeep
from timetravel.errors import StoreChanged
from timetravel.reading.retained import EVERYTHING, Retained

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LONGEST_REASON: Final = 1000


class UpkeepKind(StrEnum):
    """Say what was done."""

    ERASURE = "erasure"
    """Profiles were erased, and may not come back."""
    READMISSION = "readmission"
    """Erased profiles may come back."""
    RETENTION = "retention"
    """Versions superseded before `cutoff` were removed."""
    RESTORE = "restore"
    """The store was put back to a backup."""


@dataclass(frozen=True, slots=True)
class Upkeep:
    """One thing that was done to the store.

    Attributes:
        upkeep_id: Counts from 1.
        kind: What it was.
        began_at: Microseconds.
        ended_at: Microseconds; None as long as it has to be carried on.
        reason: Why, in the words of who did it.
        cutoff: Of retention: what was superseded before this moment was removed.
        snapshot: Of retention: the first snapshot that is still answered for.
        removed: Rows taken out, by table.
    """

    upkeep_id: int
    kind: UpkeepKind
    began_at: int
    ended_at: int | None
    reason: str
    cutoff: int | None
    snapshot: int | None
    removed: Mapping[str, int]


def begin_upkeep(
    connection: sa.Connection,
    kind: UpkeepKind,
    *,
    began_at: int,
    reason: str,
    removed: Mapping[str, int],
    cutoff: int | None = None,
    snapshot: int | None = None,
    after: int = 0,
) -> int:
    """Record upkeep in the transaction that does it, and return its id, later than `after`."""
    upkeep_id = max(newest_upkeep(connection), after) + 1
    values = {
        "upkeep_id": upkeep_id,
        "kind": kind.value,
        "began_at": began_at,
        "ended_at": None,
        "reason": reason[:_LONGEST_REASON],
        "cutoff": cutoff,
        "snapshot": snapshot,
        "removed": json.dumps(removed, sort_keys=True),
    }
    connection.execute(upkeep.insert(), values)
    return upkeep_id


def end_upkeep(connection: sa.Connection, upkeep_id: int, ended_at: int) -> None:
    """Record that upkeep has been carried out, down to the files."""
    own = upkeep.c.upkeep_id == upkeep_id
    connection.execute(upkeep.update().where(own).values(ended_at=ended_at))


def read_upkeep(connection: sa.Connection) -> Sequence[Upkeep]:
    """Return all upkeep, from the first on."""
    rows = connection.execute(sa.select(upkeep).order_by(upkeep.c.upkeep_id)).mappings()
    return [_upkeep(dict(row)) for row in rows]


def newest_upkeep(connection: sa.Connection) -> int:
    """Return the id of the newest upkeep, 0 if there was none."""
    return _newest(connection, "SELECT max(upkeep_id) FROM upkeep")


def read_retained(connection: sa.Connection) -> Retained:
    """Return what the store can still answer for."""
    row = connection.execute(
        sa.select(
            sa.func.max(upkeep.c.upkeep_id),
            sa.func.max(upkeep.c.cutoff),
            sa.func.max(upkeep.c.snapshot),
        ).where(upkeep.c.kind == UpkeepKind.RETENTION.value)
    ).one()
    newest, since, snapshot = row
    if newest is None:
        return EVERYTHING
    return Retained(EARLIEST_MICROS if since is None else since, snapshot or 0, newest)


def check_retained(connection: sa.Connection, retained: Retained) -> None:
    """Check that retention has removed nothing more since a reader was opened.

    Raises:
        StoreChanged: It has: the reader does not know what it may be asked.
    """
    if _newest(connection, _NEWEST_RETENTION) != retained.upkeep_id:
        raise StoreChanged(
            "Retention has removed versions since this reader was opened.",
            remedy="Open another.",
            field="snapshot",
        )


_NEWEST_RETENTION: Final = "SELECT max(upkeep_id) FROM upkeep WHERE kind = 'retention'"


def _newest(connection: sa.Connection, statement: str) -> int:
    # Straight to the driver: this is asked before every other question.
    driver: Any = connection.connection.driver_connection
    (found,) = driver.execute(statement).fetchone()
    return found or 0


def _upkeep(values: dict[str, Any]) -> Upkeep:
    removed: Mapping[str, int] = json.loads(values.pop("removed"))
    return Upkeep(**{**values, "kind": UpkeepKind(values["kind"])}, removed=removed)
