"""Restores a backup into the tables of a PostgreSQL store, in one transaction."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Final

from timetravel.backup.backup import REVISION_TABLE, Contents
from timetravel.backup.postgres_programs import (
    connection_environment,
    failure,
    find_program,
)
from timetravel.database.engine import WRITER_LOCK
from timetravel.database.schema import metadata
from timetravel.database.store_position import PENDING_TABLE, StorePosition, read_store_position
from timetravel.errors import BackupDamaged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import sqlalchemy as sa

MAGIC: Final = b"PGDMP"

_LOCK_TIMEOUT_SECONDS: Final = 60
_READ: Final = ("pg_restore", "--no-owner", "--no-privileges", "--file=-")
_WRITE: Final = ("psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1")


def read_dump(path: Path, *, check: bool) -> tuple[Contents, StorePosition]:
    """Return what a backup of PostgreSQL holds.

    Args:
        path: The backup.
        check: Whether to read all of it.

    Raises:
        BackupDamaged: It is not a whole backup of a store.
        ProgramMissing: pg_restore is not installed.
    """

    def rows(table: str, columns: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        return _rows(path, table, columns)

    if check:
        for _ in _lines(path):
            pass
    revisions = list(rows(REVISION_TABLE, ("version_num",)))
    if len(revisions) != 1:
        raise _no_backup(path, "it has no tables of a store")
    standing = read_store_position(rows, metadata.tables)
    return Contents(revisions[0][0], standing.snapshot), standing


def load_dump(path: Path, url: sa.URL, pending: Sequence[int]) -> None:
    """Replace the tables of a store with those of a backup.

    Args:
        path: The backup.
        url: The database.
        pending: Profiles to erase again; they are noted in `PENDING_TABLE`.

    Raises:
        BackupDamaged: It is not a whole backup; the database is as it was.
        StoreUnavailable: The database refused it; it is as it was.
    """
    environment = connection_environment(url)
    with (
        tempfile.TemporaryFile("w+") as said_of_backup,
        tempfile.TemporaryFile("w+") as said_of_database,
        _start((*_READ, str(path)), said_of_backup, stdout=subprocess.PIPE) as script,
        _start(_WRITE, said_of_database, stdin=subprocess.PIPE, env=environment) as database,
    ):
        try:
            _send(database.stdin, _BEGIN)
            shutil.copyfileobj(_there(script.stdout), _there(database.stdin))
            if script.wait():
                database.kill()  # without COMMIT nothing has happened
                _hang_up(database)
                raise _no_backup(path, _last_line(said_of_backup))
            _send(database.stdin, _end(pending))
            _there(database.stdin).close()
        except BrokenPipeError:
            script.kill()  # the database ended it, and says why
            _hang_up(database)
        if database.wait():
            said_of_database.seek(0)
            raise failure("psql", said_of_database.readlines())


_BEGIN: Final = f"""
BEGIN;
SET LOCAL client_min_messages = warning;
SET LOCAL lock_timeout = '{_LOCK_TIMEOUT_SECONDS}s';
DO 'BEGIN PERFORM pg_advisory_xact_lock({WRITER_LOCK}); END';
DROP TABLE IF EXISTS {", ".join((*metadata.tables, REVISION_TABLE, PENDING_TABLE))};
"""


def _end(pending: Sequence[int]) -> str:
    note = ""
    if pending:
        ids = ", ".join(f"({profile_id})" for profile_id in pending)
        note = (
            f"CREATE TABLE {PENDING_TABLE} (profile_id bigint PRIMARY KEY);\n"
            f"INSERT INTO {PENDING_TABLE} VALUES {ids};\n"
        )
    # The backup's script has set a search path of its own.
    return f"RESET search_path;\n{note}COMMIT;\n"


def _rows(path: Path, table: str, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield columns of a table out of a backup; numbers and plain words only."""
    places: list[int] = []
    for line in _lines(path, "--data-only", f"--table={table}"):
        if line.startswith("COPY "):
            names = line[line.index("(") + 1 : line.index(")")].split(", ")
            places = [names.index(name) for name in columns]
        elif line.startswith("\\."):
            places = []
        elif places:
            values = line.rstrip("\n").split("\t")
            yield tuple(values[place] for place in places)


def _lines(path: Path, *arguments: str) -> Iterator[str]:
    with (
        tempfile.TemporaryFile("w+") as said,
        _start((*_READ, *arguments, str(path)), said, stdout=subprocess.PIPE) as script,
    ):
        for line in _there(script.stdout):
            yield line.decode()
        if script.wait():
            raise _no_backup(path, _last_line(said))


def _start(
    command: Sequence[str],
    said: IO[str],
    *,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.DEVNULL,
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - PostgreSQL's own programs, without a shell
        [find_program(command[0]), *command[1:]],
        stdin=stdin,
        stdout=stdout,
        stderr=said,
        env=None if env is None else dict(env),
    )


def _send(stream: IO[bytes] | None, text: str) -> None:
    _there(stream).write(text.encode())


def _hang_up(process: subprocess.Popen[bytes]) -> None:
    with suppress(BrokenPipeError):  # nobody reads what was not sent yet
        _there(process.stdin).close()


def _there(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise AssertionError("the process was started without a pipe")
    return stream


def _last_line(said: IO[str]) -> str:
    said.seek(0)
    return next((line.strip() for line in reversed(said.readlines())), "it ended early")


def _no_backup(path: Path, reason: str) -> BackupDamaged:
    return BackupDamaged(
        f"{path} is not a whole backup: {reason.rstrip('.')}.",
        remedy="Name a file that `pagesim db backup` wrote.",
        field="file",
    )
