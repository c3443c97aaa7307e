"""Copies SQLite databases while they are in use."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from timetravel.errors import BackupDamaged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_PAGES_PER_STEP: Final = 2_000
_BUSY_TIMEOUT_SECONDS: Final = 60.0


def connect(path: Path, *, writes: bool) -> sqlite3.Connection:
    """Open an SQLite file that is there."""
    mode = "rw" if writes else "ro"
    return sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?mode={mode}",
        uri=True,
        isolation_level=None,  # the driver begins nothing by itself
        timeout=_BUSY_TIMEOUT_SECONDS,
    )


@contextmanager
def reading_file(path: Path) -> Iterator[sqlite3.Connection]:
    """Hold one state of an SQLite file, whoever writes to it meanwhile."""
    # A log that somebody else holds open is only read by those who could write.
    with closing(connect(path, writes=os.access(path, os.W_OK))) as source:
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield source


def copy_pages(
    source: sqlite3.Connection,
    target: sqlite3.Connection,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Copy a whole database over another, in one transaction of the other.

    Args:
        source: Copied as it is; if it holds a transaction, as that sees it.
        target: Whoever reads it sees what was there before, and then all of the copy.
        progress: Is told how many pages are done, and how many there are.
    """

    def report(_status: int, remaining: int, total: int) -> None:
        if progress is not None:
            progress(total - remaining, total)

    source.backup(target, pages=_PAGES_PER_STEP, progress=report)


@contextmanager
def new_file(path: Path, mode: int) -> Iterator[sqlite3.Connection]:
    """Fill a new SQLite file with these permissions; it is removed if that fails.

    At the end it is one file, whole and on the disk.
    """
    remove_store(path)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
    try:
        with closing(connect(path, writes=True)) as target:
            yield target
            target.execute("PRAGMA journal_mode = DELETE").close()
        synchronise(path)
    except BaseException:
        remove_store(path)
        raise


def check_integrity(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a database whose pages do not fit together.

    Raises:
        BackupDamaged: They do not.
    """
    try:
        (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found != "ok":
        raise BackupDamaged(
            f"{path} is damaged: {found.splitlines()[-1]}.",
            remedy="Use another backup.",
            field="file",
        )


def synchronise(path: Path) -> None:
    """Wait until a file and its name are on the disk."""
    for written in (path, path.parent):
        descriptor = os.open(written, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_store(path: Path) -> None:
    """Remove an SQLite file that nobody uses, with its log."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
