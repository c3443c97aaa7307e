"""What upkeep needs in tests, and looking for what must not be there any more."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import pytest
import sqlalchemy as sa

from timetravel.backup.restore import plan_restore, restore
from timetravel.database.engine import parse_url
from timetravel.removal.completion import UpkeepEnvironment, finish_upkeep
from timetravel.removal.removals import erase_profiles, let_versions_go
from timetravel.segments.directory import SegmentDirectory
from timetravel.upkeep.copies import CopyFolder, CopyKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.arrays import Int64Array
    from timetravel.backup.restore import RestorePlan
    from timetravel.removal.completion import CarriedOut
    from timetravel.removal.retention import Bounds
    from timetravel.store import Store

NONCE: Final = bytes(32)
LATER: Final = 9_000


def upkeep_environment(host: str | None = None) -> UpkeepEnvironment:
    """Return what upkeep needs; results are not touched."""

    def purge_segments(folder: Path, _profile_ids: Int64Array) -> int:
        return SegmentDirectory(folder).clear()

    return UpkeepEnvironment(
        host=host or CopyFolder.here(Path(), CopyKind.RESULTS).host,
        now_micros=lambda: LATER,
        draw_nonce=lambda: NONCE,
        purges={CopyKind.SEGMENTS: purge_segments, CopyKind.RESULTS: lambda *_: 0},
    )


def erase(store: Store, *profile_ids: int) -> CarriedOut:
    """Erase profiles, down to the files."""
    erase_profiles(store.engine, profile_ids, reason="test", began_at=LATER, nonce=NONCE)
    return finish_upkeep(store.engine, upkeep_environment())


def retain(store: Store, bounds: Bounds) -> CarriedOut:
    """Let go of superseded versions, down to the files."""
    let_versions_go(store.engine, bounds, reason="test", began_at=LATER, nonce=NONCE)
    return finish_upkeep(store.engine, upkeep_environment())


def put_back(url: str, backup: Path, *, replace: bool = False) -> RestorePlan:
    """Restore a backup over a store, or to where there is none."""
    plan = plan_restore(parse_url(url), backup, replace=replace)
    restore(parse_url(url), backup, plan, began_at=LATER, nonce=NONCE)
    return plan


def files_with(marker: bytes, folder: Path) -> list[str]:
    """Return the names of the files below a folder that hold a marker."""
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and marker in path.read_bytes()
    )


@contextmanager
def own_database(template: str | None = None) -> Iterator[str]:
    """Make a PostgreSQL database of one's own, and drop it at the end; yield its URL.

    Args:
        template: The URL of a database to copy, which nobody is connected to.
    """
    server = os.environ.get("PAGESIM_POSTGRES_URL")
    if server is None:
        pytest.skip("PAGESIM_POSTGRES_URL names no server; `make test-postgres` starts one")
    name = f"pagesim_test_{uuid4().hex[:12]}"
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        copied = "" if template is None else f" TEMPLATE {sa.make_url(template).database}"
        connection.exec_driver_sql(f"CREATE DATABASE {name}{copied}")
    try:
        yield sa.make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        engine.dispose()
