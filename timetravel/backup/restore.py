"""Restores a store from a backup: all of it, or nothing.

Where a store is there already, it is replaced in one transaction, so that whoever has it open
sees the one or the other. Profiles that were erased from it since the backup was made are
erased again: a restore does not bring them back.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import sqlalchemy as sa

from timetravel.backup import postgres_restore, sqlite_restore
from timetravel.backup.backup import REVISION_TABLE, check_target
from timetravel.database import migrate
from timetravel.database.engine import (
    create_engine,
    describe_url,
    reading,
    sqlite_path,
    translated_errors,
    writing,
)
from timetravel.database.store_position import PENDING_TABLE, StorePosition, read_store_position
from timetravel.errors import BackupDamaged, FileExists, SchemaTooNew, StoreNotFound
from timetravel.removal.erasure import erase_facts
from timetravel.removal.scrub import scrub
from timetravel.upkeep.upkeep import UpkeepKind, begin_upkeep, end_upkeep

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from timetravel.backup.backup import Contents, Progress


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """What a restore does.

    Attributes:
        contents: Of the backup.
        replaces: The snapshot of the store that is there, None where there is none.
        erased_again: Profiles that were erased from it since.
        newest_upkeep: The newest of both.
    """

    contents: Contents
    replaces: int | None
    erased_again: tuple[int, ...]
    newest_upkeep: int


def plan_restore(url: sa.URL, backup: Path, *, replace: bool) -> RestorePlan:
    """Return what a restore would do, after looking at all of the backup.

    Args:
        url: Where the store is to be.
        backup: What `timetravel.backup.backup` wrote.
        replace: Whether a store that is there may be replaced.

    Raises:
        StoreNotFound: There is no such backup, or no place for the store.
        BackupDamaged: The file is not a whole backup, or one of another database.
        SchemaTooNew: A later pagesim wrote it.
        FileExists: A store is there, and is not to be replaced.
        StoreUnavailable: The database cannot be reached.
    """
    target = sqlite_path(url)
    with translated_errors(url):
        contents, standing = _read_backup(backup, dumped=target is None)
        if contents.revision not in migrate.known_revisions():
            raise SchemaTooNew(
                f"{backup} is at revision {contents.revision}, which this pagesim does not "
                "know.",
                remedy="Use the pagesim that wrote it, or a later one.",
                field="file",
            )
        if target is not None:
            check_target(target, replace=replace, field="store")
        there = _standing_of(url, target)
    if there is None:
        return RestorePlan(contents, None, (), standing.newest_upkeep)
    if not replace:
        raise FileExists(
            f"{describe_url(url)} holds a store.",
            remedy="Name another database, or add --replace.",
            field="store",
        )
    newest_upkeep = max(standing.newest_upkeep, there.newest_upkeep)
    return RestorePlan(contents, there.snapshot, there.erased_since(standing), newest_upkeep)


def restore(
    url: sa.URL,
    backup: Path,
    plan: RestorePlan,
    *,
    began_at: int,
    nonce: bytes,
    progress: Progress | None = None,
) -> None:
    """Make a store of a backup, at the newest revision.

    What is erased again is out of the tables afterwards; `finish_upkeep` does the rest.

    Args:
        url: Where the store is to be.
        backup: What `timetravel.backup.backup` wrote.
        plan: What `plan_restore` says of both.
        began_at: What the clock says, microseconds.
        nonce: Random bytes that nobody keeps; see `timetravel.removal.rehash`.
        progress: Is told pages of SQLite.

    Raises:
        FileExists: Somebody made the store meanwhile.
        BackupDamaged: The backup is damaged; the store is as it was.
        StoreUnavailable: The store is in use for too long; it is as it was.
    """
    prepare = partial(_prepare, plan=plan, began_at=began_at, nonce=nonce)
    target = sqlite_path(url)
    with translated_errors(url):
        if target is None:
            postgres_restore.load_dump(backup, url, plan.erased_again)
            prepare(url)
            return

        def prepare_file(copy: Path) -> None:
            prepare(url.set(database=str(copy)))

        sqlite_restore.restore_file(backup, target, prepare_file, progress=progress)


def _prepare(url: sa.URL, *, plan: RestorePlan, began_at: int, nonce: bytes) -> None:
    """Bring restored tables up to date, and record the restore."""
    migrate.upgrade(url.render_as_string(hide_password=False))
    engine = create_engine(url)
    try:
        with writing(engine) as connection:
            upkeep_id = begin_upkeep(
                connection,
                UpkeepKind.RESTORE,
                began_at=began_at,
                reason=f"snapshot {plan.contents.snapshot}",
                removed={},
                after=plan.newest_upkeep,
            )
            end_upkeep(connection, upkeep_id, began_at)
            if plan.erased_again:
                erase_facts(
                    connection,
                    plan.erased_again,
                    began_at=began_at,
                    reason="erased since the backup",
                    nonce=nonce,
                )
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {PENDING_TABLE}")
        if plan.erased_again and sqlite_path(url) is not None:
            # Its pages are going to be copied as they are.
            scrub(engine, everything=True)
    finally:
        engine.dispose()


def _read_backup(backup: Path, *, dumped: bool) -> tuple[Contents, StorePosition]:
    if not backup.is_file():
        raise StoreNotFound(
            f"There is no file {backup}.", remedy="Name another backup.", field="file"
        )
    with backup.open("rb") as file:
        begins = file.read(len(sqlite_restore.MAGIC))
    kinds = {
        sqlite_restore.MAGIC: ("SQLite", False),
        postgres_restore.MAGIC: ("PostgreSQL", True),
    }
    for magic, (database, is_dump) in kinds.items():
        if begins.startswith(magic):
            if is_dump != dumped:
                raise BackupDamaged(
                    f"{backup} is a backup of {database}.",
                    remedy=f"Restore it into {database}.",
                    field="file",
                )
            if is_dump:
                return postgres_restore.read_dump(backup, check=True)
            return sqlite_restore.read_file(backup, check=True)
    raise BackupDamaged(
        f"{backup} is not a backup.",
        remedy="Name a file that `pagesim db backup` wrote.",
        field="file",
    )


def _standing_of(url: sa.URL, target: Path | None) -> StorePosition | None:
    """Return how far the store that is there has come, None where there is none."""
    if target is not None:
        return sqlite_restore.read_file(target, check=False)[1] if target.exists() else None
    engine = create_engine(url)
    try:
        with reading(engine) as connection:
            tables = sa.inspect(connection).get_table_names()
            if REVISION_TABLE not in tables and PENDING_TABLE not in tables:
                return None

            def rows(table: str, columns: tuple[str, ...]) -> Iterator[tuple[int, ...]]:
                statement = f"SELECT {', '.join(columns)} FROM {table}"  # noqa: S608 - names of our own schema
                return (tuple(row) for row in connection.exec_driver_sql(statement))

            return read_store_position(rows, tables)
    finally:
        engine.dispose()
