"""Backs up a store while it is in use: one file with one state of the store.

Of SQLite it is a store itself; of PostgreSQL what `pg_dump --format=custom` writes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import sqlalchemy as sa

from core.atomic_files import UNFINISHED
from timetravel.backup.postgres_programs import connection_environment, run_program
from timetravel.backup.sqlite_files import (
    check_integrity,
    copy_pages,
    new_file,
    reading_file,
    synchronise,
)
from timetravel.database.engine import create_engine, describe_url, reading, sqlite_path
from timetravel.database.schema import metadata
from timetravel.errors import FileExists, SchemaOutdated, StoreNotFound

if TYPE_CHECKING:
    from pathlib import Path

Progress: TypeAlias = Callable[[int, int], None]
"""Is told how much is done, and how much there is."""
REVISION_TABLE: Final = "alembic_version"

_OWNER_ONLY: Final = 0o600


@dataclass(frozen=True, slots=True)
class Contents:
    """What a store or a backup holds.

    Attributes:
        revision: Of its schema.
        snapshot: Its newest transaction, 0 if there is none.
    """

    revision: str
    snapshot: int


def describe_source(url: sa.URL) -> Contents:
    """Return what a store holds now.

    Raises:
        StoreNotFound: There is no such file.
        SchemaOutdated: There are no tables.
        StoreUnavailable: The database cannot be reached.
    """
    _check_there(url)
    engine = create_engine(url)
    try:
        with reading(engine) as connection:
            if not sa.inspect(connection).has_table(REVISION_TABLE):
                raise _no_tables(describe_url(url))
            return read_contents(lambda sql: connection.exec_driver_sql(sql).scalar())
    finally:
        engine.dispose()


def back_up(
    url: sa.URL, target: Path, *, replace: bool = False, progress: Progress | None = None
) -> Contents:
    """Write a backup, and return what it holds.

    Args:
        url: The store.
        target: The file; it is there when it is whole, and only its owner may read it.
        replace: Whether it may take the place of another file.
        progress: Is told pages of SQLite, tables of PostgreSQL.

    Raises:
        FileExists: There is a file already.
        BackupDamaged: The store itself is damaged.
        StoreNotFound: There is no such store.
        SchemaOutdated: There are no tables.
        ProgramMissing: pg_dump is not installed.
        StoreUnavailable: The database cannot be reached, or pg_dump failed.
    """
    check_target(target, replace=replace)
    _check_there(url)
    unfinished = target.with_name(f".{target.name}{UNFINISHED}")
    source = sqlite_path(url)
    if source is not None:
        contents = _copy_file(source, unfinished, progress)
    else:
        contents = _dump(url, unfinished, progress)
    if replace:
        unfinished.replace(target)
    else:
        _put(unfinished, target)
    synchronise(target)
    return contents


def check_target(target: Path, *, replace: bool, field: str = "file") -> None:
    """Refuse to write over a file, or where there is no folder.

    Args:
        target: Where to write.
        replace: Whether to write over a file.
        field: What the error is about.

    Raises:
        FileExists: There is a file.
        StoreNotFound: There is no folder.
    """
    if target.exists() and not replace:
        raise FileExists(
            f"{target} is there already.",
            remedy="Name another file, or add --replace.",
            field=field,
        )
    if not target.parent.is_dir():
        raise StoreNotFound(
            f"{target.parent} does not exist.",
            remedy=f"Create the directory {target.parent}.",
            field=field,
        )


def read_contents(scalar: Callable[[str], Any]) -> Contents:
    """Return what a store holds, given a way to ask for one value."""
    revision = scalar(f"SELECT version_num FROM {REVISION_TABLE}")  # noqa: S608 - our own name
    newest = scalar("SELECT max(tx_id) FROM ingest_transaction")
    return Contents(str(revision), newest or 0)


def _copy_file(source: Path, unfinished: Path, progress: Progress | None) -> Contents:
    with reading_file(source) as connection, new_file(unfinished, _OWNER_ONLY) as copy:
        copy_pages(connection, copy, progress)
        check_integrity(copy, source)
        if not copy.execute(
            "SELECT 1 FROM sqlite_master WHERE name = ?", (REVISION_TABLE,)
        ).fetchone():
            raise _no_tables(str(source))
        return read_contents(lambda sql: copy.execute(sql).fetchone()[0])


def _dump(url: sa.URL, unfinished: Path, progress: Progress | None) -> Contents:
    environment = connection_environment(url)
    engine = create_engine(url)
    unfinished.unlink(missing_ok=True)
    os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL, _OWNER_ONLY))
    try:
        with reading(engine) as connection:
            tables = _tables_of(connection)
            contents = read_contents(lambda sql: connection.exec_driver_sql(sql).scalar())
            # The dump and what is said of it are of one state.
            shared = connection.exec_driver_sql("SELECT pg_export_snapshot()").scalar_one()
            run_program(
                [
                    *("pg_dump", "--format=custom", "--compress=1", "--verbose"),
                    *("--no-owner", "--no-privileges", f"--snapshot={shared}"),
                    f"--file={unfinished}",
                    *(f"--table={name}" for name in tables),
                ],
                environment,
                each_line=_TableCounter(len(tables), progress),
            )
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    finally:
        engine.dispose()
    return contents


def _tables_of(connection: sa.Connection) -> list[str]:
    there = set(sa.inspect(connection).get_table_names())
    if REVISION_TABLE not in there:
        raise _no_tables(describe_url(connection.engine.url))
    return [name for name in (*metadata.tables, REVISION_TABLE) if name in there]


class _TableCounter:
    def __init__(self, total: int, progress: Progress | None) -> None:
        self._total = total
        self._done = 0
        self._progress = progress

    def __call__(self, line: str) -> None:
        if "dumping contents of table" in line and self._progress is not None:
            self._done += 1
            self._progress(self._done, self._total)


def _put(unfinished: Path, target: Path) -> None:
    try:
        os.link(unfinished, target)  # a rename would take the place of a file made meanwhile
    except FileExistsError:
        check_target(target, replace=False)
    finally:
        unfinished.unlink(missing_ok=True)


def _check_there(url: sa.URL) -> None:
    path = sqlite_path(url)
    if path is not None and not path.is_file():
        raise StoreNotFound(
            f"There is no store at {path}.", remedy="Name another --store.", field="store"
        )


def _no_tables(where: str) -> SchemaOutdated:
    return SchemaOutdated(
        f"{where} has no tables of a store.", remedy="Name another --store.", field="store"
    )
