"""Completes an erasure or retention beyond the tables: files, servers' memory, copies.

The tables come first, in one transaction that also records the upkeep. Killed before its end,
nothing has happened; killed after it, the upkeep stands there unfinished, and whoever comes
next does the rest. All of the rest may be done twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from core.arrays import Int64Array
from timetravel.database.engine import reading, writing
from timetravel.reader_pool import NOTICE_SECONDS
from timetravel.removal.removals import erase_pending
from timetravel.removal.scrub import scrub
from timetravel.upkeep.copies import (
    CopyFolder,
    CopyKind,
    find_copy_folder,
    forget_copy_folder,
    mark_copy_folder,
    note_copy_folder,
    read_copy_folders,
)
from timetravel.upkeep.upkeep import UpkeepKind, end_upkeep, newest_upkeep, read_upkeep
from timetravel.writing.tombstones import read_erased

if TYPE_CHECKING:
    from collections.abc import Sequence

    import sqlalchemy as sa

    from timetravel.upkeep.upkeep import Upkeep

Purge: TypeAlias = Callable[[Path, Int64Array], int]
"""Takes profiles out of a folder of copies, and returns how many files it touched."""

_CAUSES: Final[Mapping[CopyKind, frozenset[UpkeepKind]]] = {
    CopyKind.SEGMENTS: frozenset({UpkeepKind.ERASURE, UpkeepKind.RETENTION}),
    CopyKind.RESULTS: frozenset({UpkeepKind.ERASURE}),
}
"""The upkeep after which copies of a kind hold too much."""


@dataclass(frozen=True, slots=True)
class UpkeepEnvironment:
    """What upkeep needs besides the store.

    Attributes:
        host: Name of this machine.
        now_micros: Tells the time.
        draw_nonce: Draws random bytes that nobody keeps.
        purges: How copies are purged, by kind.
        wait: Sleeps.
    """

    host: str
    now_micros: Callable[[], int]
    draw_nonce: Callable[[], bytes]
    purges: Mapping[CopyKind, Purge]
    wait: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class CarriedOut:
    """What carrying upkeep out came to.

    Attributes:
        upkeep: What was ended.
        purged: Files touched, by folder.
        elsewhere: Folders that could not be reached from here.
    """

    upkeep: tuple[Upkeep, ...] = ()
    purged: Mapping[CopyFolder, int] = field(default_factory=dict)
    elsewhere: tuple[CopyFolder, ...] = ()


def finish_upkeep(engine: sa.Engine, around: UpkeepEnvironment) -> CarriedOut:
    """Carry on whatever upkeep has not come to its end, as far as that can be done here.

    Raises:
        StoreUnavailable: Somebody reads the store's earlier state for too long.
    """
    erase_pending(engine, began_at=around.now_micros(), nonce=around.draw_nonce())
    with reading(engine) as connection:
        unfinished = [upkeep for upkeep in read_upkeep(connection) if upkeep.ended_at is None]
    deleting = [upkeep for upkeep in unfinished if upkeep.removed]
    if deleting:
        everything = any(upkeep.kind is UpkeepKind.ERASURE for upkeep in deleting)
        scrub(engine, everything=everything, wait=around.wait)
        # Servers that hold a snapshot in memory have noticed by then.
        around.wait(2 * NOTICE_SECONDS)
    purged = _purge_copies(engine, around)
    ended_at = around.now_micros()
    with writing(engine) as connection:
        for upkeep in unfinished:
            end_upkeep(connection, upkeep.upkeep_id, ended_at)
    return CarriedOut(tuple(unfinished), purged, folders_behind(engine))


def folders_behind(engine: sa.Engine) -> tuple[CopyFolder, ...]:
    """Return the folders that may still hold what has been taken out of the store."""
    with reading(engine) as connection:
        upkeep, places = read_upkeep(connection), read_copy_folders(connection)
    due = {
        kind: max((record.upkeep_id for record in upkeep if record.kind in causes), default=0)
        for kind, causes in _CAUSES.items()
    }
    return tuple(place for place in places if place.upkeep_id < due[place.kind])


def note_results(engine: sa.Engine, folders: Sequence[Path]) -> None:
    """Note folders of results that nobody noted when they were written."""
    with writing(engine) as connection:
        for folder in folders:
            place = CopyFolder.here(folder, CopyKind.RESULTS)
            if find_copy_folder(connection, place) is None:
                note_copy_folder(connection, place)


def oldest_pinned(connection: sa.Connection, host: str) -> CopyFolder | None:
    """Return the run that pins the oldest snapshot of all that are still there."""
    pinning = [
        place
        for place in read_copy_folders(connection)
        if place.snapshot is not None and not (place.host == host and _is_gone(place.path))
    ]
    return min(pinning, key=lambda place: place.snapshot or 0, default=None)


def _purge_copies(engine: sa.Engine, around: UpkeepEnvironment) -> Mapping[CopyFolder, int]:
    purged: dict[CopyFolder, int] = {}
    for place in folders_behind(engine):
        if place.host != around.host:
            continue
        if _is_gone(place.path):
            with writing(engine) as connection:
                forget_copy_folder(connection, place)
        elif place.path.is_dir():
            purged[place] = _purge(engine, place, around)
    return purged


def _purge(engine: sa.Engine, place: CopyFolder, around: UpkeepEnvironment) -> int:
    with reading(engine) as connection:
        newest, erased = newest_upkeep(connection), read_erased(connection, place.upkeep_id)
    touched = around.purges[place.kind](place.path, erased)
    with writing(engine) as connection:
        mark_copy_folder(connection, place, newest)
    return touched


def _is_gone(path: Path) -> bool:
    # Where its parent is missing too, it may come back with the disk that it is on.
    return path.parent.is_dir() and not path.is_dir()
