"""Makes sure that deleted data is in none of the database's files.

Deleted rows stay readable in the file for a while, on both databases. On SQLite even
`secure_delete` leaves copies that were moved between pages before; a rewritten file has none.
On PostgreSQL the same goes for the planner's statistics, which quote values. What no
statement reaches is told in docs/life-of-data.md: PostgreSQL's own log and its archive, and
what a file system or a disk keeps of overwritten blocks.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from timetravel.database.engine import POSTGRESQL, describe_url, translated_errors
from timetravel.database.schema import metadata
from timetravel.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    import sqlalchemy as sa

_PATIENCE_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.1


def erase_deleted_rows(connection: sa.Connection) -> None:
    """Have rows overwritten that this transaction deletes, as far as SQLite does that."""
    if connection.dialect.name != POSTGRESQL:
        connection.exec_driver_sql("PRAGMA secure_delete = ON").close()


def scrub(
    engine: sa.Engine,
    *,
    everything: bool,
    patience_seconds: float = _PATIENCE_SECONDS,
    wait: Callable[[float], None] = time.sleep,
) -> None:
    """Rewrite what deleted rows may be left in, and give the room back.

    Readers may go on on SQLite; on PostgreSQL they wait, table by table, if everything is
    rewritten. A file as large as the store is written beside it meanwhile.

    Args:
        engine: Of the store.
        everything: Whether not a byte may stay. Otherwise PostgreSQL's tables keep their
            files, and the room in them is used again.
        patience_seconds: How long to wait for readers of the old state.
        wait: Sleeps.

    Raises:
        StoreUnavailable: Somebody reads or writes for longer than that.
    """
    with translated_errors(engine.url):
        if engine.dialect.name != POSTGRESQL:
            _rewrite_file(engine, patience_seconds)
            return
        with engine.connect() as plain:
            connection = plain.execution_options(isolation_level="AUTOCOMMIT")
            if everything:
                _wait_for_readers(connection, patience_seconds, wait)
            _rewrite_tables(connection, everything=everything, patience=patience_seconds)


def _rewrite_file(engine: sa.Engine, patience_seconds: float) -> None:
    pooled = engine.raw_connection()
    try:
        driver: Any = pooled.driver_connection
        driver.execute(f"PRAGMA busy_timeout = {int(patience_seconds * 1000)}").close()
        # In the mode that stores have, the new file is written to the log first: whoever
        # reads goes on reading, and killed at any point, the old file is whole.
        driver.execute("VACUUM").close()
        (busy, _, _) = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        pooled.invalidate()  # its settings are not those of the others
    if busy:
        raise _held_up(engine)


def _wait_for_readers(
    connection: sa.Connection, patience_seconds: float, wait: Callable[[float], None]
) -> None:
    """Wait until nobody can see the deleted rows: a rewritten table would keep them."""
    own = connection.exec_driver_sql("SELECT pg_current_xact_id()::text").scalar_one()
    older = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid() AND age(backend_xmin) > age(%s::text::xid)"
    )
    deadline = time.monotonic() + patience_seconds
    while connection.exec_driver_sql(older, (str(int(own) % 2**32),)).scalar_one():
        if time.monotonic() > deadline:
            raise _held_up(connection.engine)
        wait(_LOOK_SECONDS)


def _rewrite_tables(connection: sa.Connection, *, everything: bool, patience: float) -> None:
    connection.exec_driver_sql(f"SET lock_timeout = {int(patience * 1000)}")
    try:
        how = "FULL, ANALYZE" if everything else "ANALYZE"
        for table in metadata.sorted_tables:
            connection.exec_driver_sql(f"VACUUM ({how}) {table.name}")
        if everything:
            # Without the right to do so this is a warning: see docs/life-of-data.md.
            connection.exec_driver_sql("VACUUM (FULL) pg_catalog.pg_statistic")
    finally:
        connection.exec_driver_sql("RESET lock_timeout")


def _held_up(engine: sa.Engine) -> StoreUnavailable:
    return StoreUnavailable(
        f"Deleted rows are still in the files of {describe_url(engine.url)}: somebody has been "
        "reading its earlier state for too long.",
        remedy="End that process, then run: pagesim db upkeep --finish.",
        field="store",
    )
