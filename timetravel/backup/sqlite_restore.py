"""Restores an SQLite store from a backup."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

from timetravel.backup.backup import REVISION_TABLE, Contents, check_target
from timetravel.backup.sqlite_files import (
    check_integrity,
    connect,
    copy_pages,
    new_file,
    reading_file,
    remove_store,
    synchronise,
)
from timetravel.database.store_position import StorePosition, read_store_position
from timetravel.errors import BackupDamaged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from timetravel.backup.backup import Progress

MAGIC: Final = b"SQLite format 3\0"

_RESTORING: Final = ".restoring"
_FOLDING_TIMEOUT_MILLISECONDS: Final = 500
_LIKE_ANY_FILE: Final = 0o666
"""As far as the user's mask allows."""


def read_file(path: Path, *, check: bool) -> tuple[Contents, StorePosition]:
    """Return what an SQLite file holds.

    Args:
        path: A backup, or a store that may be in use.
        check: Whether to look at every page.

    Raises:
        BackupDamaged: It is not a whole store.
    """
    try:
        with reading_file(path) as connection:
            if check:
                check_integrity(connection, path)
            names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            tables = {name for (name,) in names}
            if REVISION_TABLE not in tables:
                raise _no_store(path, "it has no tables of a store")

            def rows(table: str, columns: tuple[str, ...]) -> sqlite3.Cursor:
                return connection.execute(f"SELECT {', '.join(columns)} FROM {table}")  # noqa: S608 - names of our own schema

            ((revision,),) = rows(REVISION_TABLE, ("version_num",))
            standing = read_store_position(rows, tables)
    except sqlite3.DatabaseError as error:
        raise _no_store(path, str(error)) from error
    return Contents(revision, standing.snapshot), standing


def restore_file(
    backup: Path,
    target: Path,
    prepare: Callable[[Path], None],
    *,
    progress: Progress | None,
) -> None:
    """Put a prepared copy of a backup where the target is, or is to be.

    Args:
        backup: To copy.
        target: A store, or a file that is not there.
        prepare: Makes of the copy what is to be restored, before anybody sees it.
        progress: Is told pages.

    Raises:
        FileExists: Somebody made the target meanwhile.
    """
    is_there = target.exists()
    copy = target.with_name(f".{target.name}{_RESTORING}")
    try:
        with reading_file(backup) as source, new_file(copy, _LIKE_ANY_FILE) as pages:
            copy_pages(source, pages, progress)
        prepare(copy)
        with closing(connect(copy, writes=True)) as whole:
            whole.execute("PRAGMA journal_mode = DELETE").close()
        synchronise(copy)
        if is_there:
            _write_over(copy, target)
        else:
            _put(copy, target)
    finally:
        remove_store(copy)


def _write_over(copy: Path, target: Path) -> None:
    # Not a rename: whoever has the target open would go on with a file that is gone, and its
    # log would be taken for ours.
    with (
        closing(connect(copy, writes=False)) as source,
        closing(connect(target, writes=True)) as store,
    ):
        copy_pages(source, store)
        # Whoever reads what was there before need not be waited for.
        store.execute(f"PRAGMA busy_timeout = {_FOLDING_TIMEOUT_MILLISECONDS}").close()
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _put(copy: Path, target: Path) -> None:
    try:
        os.link(copy, target)
    except FileExistsError:
        check_target(target, replace=False, field="store")
    synchronise(target)


def _no_store(path: Path, reason: str) -> BackupDamaged:
    return BackupDamaged(
        f"{path} is not a backup of a store: {reason}.",
        remedy="Name a file that `pagesim db backup` wrote.",
        field="file",
    )
