"""Runs PostgreSQL's client programs; connection settings go by environment, not by argument."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import IO, TYPE_CHECKING, Final

from timetravel.errors import InvalidStoreUrl, ProgramMissing, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import sqlalchemy as sa

# The variables of libpq (PostgreSQL's documentation, "Environment Variables").
_VARIABLES: Final[Mapping[str, str]] = {
    "application_name": "PGAPPNAME",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "host": "PGHOST",
    "options": "PGOPTIONS",
    "passfile": "PGPASSFILE",
    "port": "PGPORT",
    "service": "PGSERVICE",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}
_TOLD_LINES: Final = 5


def find_program(name: str) -> str:
    """Return where a program is.

    Raises:
        ProgramMissing: It is not installed.
    """
    found = shutil.which(name)
    if found is None:
        raise ProgramMissing(
            f"{name} is not there, which copies PostgreSQL's tables.",
            remedy="Install PostgreSQL's client programs, of the server's version or later "
            "(Debian: apt-get install postgresql-client).",
        )
    return found


def connection_environment(url: sa.URL) -> dict[str, str]:
    """Return the environment in which PostgreSQL's programs find the database.

    Raises:
        InvalidStoreUrl: The URL has a setting that they do not know by environment.
    """
    settings = {
        "PGHOST": url.host,
        "PGPORT": None if url.port is None else str(url.port),
        "PGUSER": url.username,
        "PGPASSWORD": None if url.password is None else str(url.password),
        "PGDATABASE": url.database,
    }
    for name, value in url.query.items():
        if name not in _VARIABLES:
            raise InvalidStoreUrl(
                f"The URL sets {name}, which PostgreSQL's programs cannot be told.",
                remedy="Leave it out of the URL of backups.",
                field="store",
            )
        settings[_VARIABLES[name]] = value if isinstance(value, str) else ",".join(value)
    told = {name: value for name, value in settings.items() if value is not None}
    return {**os.environ, **told}


def run_program(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    each_line: Callable[[str], None] | None = None,
) -> None:
    """Run a program to its end.

    Args:
        command: Program and arguments; no secrets.
        environment: See `connection_environment`.
        each_line: Is told each line of messages.

    Raises:
        StoreUnavailable: It failed; the message says what it said.
    """
    said: list[str] = []
    with (
        subprocess.Popen(  # noqa: S603 - PostgreSQL's own programs, without a shell
            [find_program(command[0]), *command[1:]],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process
    ):
        for line in _lines(process.stderr):
            said.append(line)
            if each_line is not None:
                each_line(line)
    if process.returncode:
        raise failure(command[0], said)


def failure(program: str, said: Sequence[str]) -> StoreUnavailable:
    """Return the error of a program that failed."""
    told = " ".join(line.strip() for line in said[-_TOLD_LINES:]) or "it said nothing"
    return StoreUnavailable(
        f"{program} failed: {told.rstrip('.')}.", remedy="Fix that, and try again."
    )


def _lines(stream: IO[str] | None) -> IO[str] | list[str]:
    return [] if stream is None else stream
