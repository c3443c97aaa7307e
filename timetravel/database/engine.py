"""Connections to the store: databases, transactions, errors.

Reads are short transactions with a stable view. There is one writer at a time, on SQLite by
`BEGIN IMMEDIATE` and on PostgreSQL by an advisory lock, so transaction ids follow the order
of commits.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from timetravel.errors import (
    InvalidStoreUrl,
    StoreNotFound,
    StoreReadOnly,
    StoreUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from sqlalchemy.pool import ConnectionPoolEntry

Connect: TypeAlias = "Callable[[], AbstractContextManager[sa.Connection]]"
"""Opens a transaction that reads."""

SQLITE: Final = "sqlite"
POSTGRESQL: Final = "postgresql"

_WRITES: Final = "pagesim_writes"
WRITER_LOCK: Final = 0x7061676573696D  # "pagesim"
"""Key of the advisory lock that writers hold on PostgreSQL."""
_BUSY_TIMEOUT_SECONDS: Final = 60.0
_FOLDING_TIMEOUT_MILLISECONDS: Final = 500
_MEGABYTE: Final = 1 << 20
_LARGEST_LOG_BYTES: Final = 16 * _MEGABYTE


def parse_url(url: str) -> sa.URL:
    """Return a store's URL.

    Raises:
        InvalidStoreUrl: It names neither an SQLite file nor a PostgreSQL database.
    """
    remedy = "Write sqlite:///path/to/store.db or postgresql+psycopg://user@host/database."
    try:
        parsed = sa.make_url(url)
    except ArgumentError:
        # The text may hold a password, so it is not repeated.
        raise InvalidStoreUrl("The store is not a URL.", remedy=remedy, field="store") from None
    backend = parsed.get_backend_name()
    if backend == POSTGRESQL:
        return parsed.set(drivername="postgresql+psycopg")
    if backend != SQLITE or parsed.database in {None, "", ":memory:"}:
        raise InvalidStoreUrl(
            f"{describe_url(parsed)} is not a store.", remedy=remedy, field="store"
        )
    return parsed


def describe_url(url: sa.URL) -> str:
    """Return the URL as it may be shown: without its password."""
    return url.render_as_string(hide_password=True)


def sqlite_path(url: sa.URL) -> Path | None:
    """Return the file of an SQLite store, None of any other."""
    return Path(url.database or "") if url.get_backend_name() == SQLITE else None


def create_engine(url: sa.URL) -> sa.Engine:
    """Return an engine whose transactions begin as this module says."""
    if url.get_backend_name() == POSTGRESQL:
        return sa.create_engine(
            url,
            pool_size=16,
            max_overflow=64,
            isolation_level="REPEATABLE READ",
            # Compiling a query takes longer than ours run.
            connect_args={"options": "-c jit=off"},
        )
    try:
        engine = sa.create_engine(
            url,
            paramstyle="named",
            pool_size=16,
            max_overflow=64,
            connect_args={"timeout": _BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
        )
    except NoSuchModuleError as error:
        raise InvalidStoreUrl(
            f"{describe_url(url)} needs a driver that is not there.",
            remedy="Write sqlite:///path/to/store.db.",
            field="store",
        ) from error
    sa.event.listen(engine, "connect", _configure_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Hold a transaction that reads one state of the store.

    Raises:
        StoreUnavailable: The database cannot be reached or is locked for too long.
    """
    with translated_errors(engine.url), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Hold the one transaction that writes; commit it at the end, unless there was an error.

    Raises:
        StoreUnavailable: The database cannot be reached or is locked for too long.
    """
    with translated_errors(engine.url), engine.connect() as connection:
        connection.execution_options(**_writing_options(engine))
        with connection.begin():
            if engine.dialect.name == POSTGRESQL:
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITER_LOCK})")
            yield connection
        _fold_log(connection)


@contextmanager
def changing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Hold a short transaction that changes some rows; on PostgreSQL others may change others.

    Raises:
        StoreUnavailable: The database cannot be reached or is locked for too long.
    """
    with translated_errors(engine.url), engine.connect() as connection:
        connection.execution_options(**_writing_options(engine))
        with connection.begin():
            yield connection


def _writing_options(engine: sa.Engine) -> dict[str, Any]:
    if engine.dialect.name == POSTGRESQL:
        # A lock is waited for before anything is seen.
        return {"isolation_level": "READ COMMITTED"}
    return {_WRITES: True}


@contextmanager
def translated_errors(url: sa.URL) -> Iterator[None]:
    """Turn what the database driver raises about its server or file into our errors."""
    try:
        yield
    except (sa.exc.DatabaseError, sqlite3.DatabaseError, psycopg.DatabaseError) as error:
        raised = error.orig if isinstance(error, DBAPIError) else error
        reason = str(raised).strip().splitlines()[0].rstrip(".")
        if getattr(raised, "sqlite_errorname", "") == "SQLITE_NOTADB":
            raise StoreNotFound(
                f"{describe_url(url)} is not an SQLite database.",
                remedy="Name another file.",
                field="store",
            ) from error
        if _is_refusal_to_write(raised):
            raise StoreReadOnly(
                f"{describe_url(url)} may not be written to: {reason}.",
                remedy=_permit(url),
                field="store",
            ) from error
        if _is_out_of_reach(raised):
            raise StoreUnavailable(
                f"{describe_url(url)} does not answer: {reason}.",
                remedy="Try again when the server runs and no other process holds the lock.",
            ) from error
        raise


def _is_refusal_to_write(error: BaseException | None) -> bool:
    refusals = (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)
    is_locked_file = getattr(error, "sqlite_errorname", "").startswith("SQLITE_READONLY")
    return is_locked_file or isinstance(error, refusals)


def _permit(url: sa.URL) -> str:
    if url.get_backend_name() == SQLITE:
        return "Make the file and its folder writable, or work on a copy."
    # Runs and validations write one table, whoever fills the others.
    return (
        "Name a user who may. To run experiments, one who reads may do, if the owner says "
        f'GRANT INSERT, UPDATE, DELETE ON copy_place TO "{url.username}".'
    )


def _is_out_of_reach(error: BaseException | None) -> bool:
    if isinstance(error, sqlite3.OperationalError):
        # SQLITE_ERROR is what a wrong statement gets: a fault of ours.
        return error.sqlite_errorname != "SQLITE_ERROR"
    return isinstance(error, psycopg.OperationalError)


def _configure_sqlite(connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself
    for pragma in (
        "journal_mode = WAL",
        "synchronous = NORMAL",
        f"cache_size = -{64 * _MEGABYTE // 1024}",
        f"mmap_size = {1024 * _MEGABYTE}",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _fold_log(connection: sa.Connection) -> None:
    """Fold an overgrown write-ahead log back into the database file.

    SQLite does so by itself only at a moment without readers, and busy readers leave none.
    """
    path = sqlite_path(connection.engine.url)
    if path is None:
        return
    log = path.with_name(f"{path.name}-wal")
    if not log.exists() or log.stat().st_size < _LARGEST_LOG_BYTES:
        return
    driver: Any = connection.connection.driver_connection
    driver.execute(f"PRAGMA busy_timeout = {_FOLDING_TIMEOUT_MILLISECONDS}")
    driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    driver.execute(f"PRAGMA busy_timeout = {int(_BUSY_TIMEOUT_SECONDS * 1000)}")


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
