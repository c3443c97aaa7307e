"""Who may read a store and not write to it is told so, and what to ask for."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import sqlalchemy as sa

from tests.support.facts.upkeep import own_database
from timetravel.database import migrate
from timetravel.database.engine import parse_url, translated_errors
from timetravel.errors import StoreReadOnly
from timetravel.store import Store
from timetravel.upkeep.copies import CopyKind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def owner() -> Iterator[sa.Engine]:
    with own_database() as url:
        migrate.upgrade(url)
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        yield engine
        engine.dispose()


@pytest.fixture
def reader(owner: sa.Engine) -> Iterator[str]:
    name = f"reader-{uuid4().hex[:12]}"
    with owner.connect() as connection:
        connection.exec_driver_sql(f'CREATE ROLE "{name}" LOGIN')
        connection.exec_driver_sql(f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{name}"')
    yield owner.url.set(username=name).render_as_string(hide_password=False)
    with owner.connect() as connection:
        connection.exec_driver_sql(f'DROP OWNED BY "{name}"')
        connection.exec_driver_sql(f'DROP ROLE "{name}"')


@pytest.mark.postgres
def test_a_user_who_may_not_note_copies_is_told_what_the_owner_must_grant(
    owner: sa.Engine, reader: str, tmp_path: Path
) -> None:
    with Store.open(reader) as store:
        with pytest.raises(StoreReadOnly, match="permission denied for table copy_place") as no:
            store.note_copies(tmp_path, CopyKind.RESULTS)
        grant = no.value.remedy[no.value.remedy.index("GRANT") :].rstrip(".")
        with owner.connect() as connection:
            connection.exec_driver_sql(grant)
        store.note_copies(tmp_path, CopyKind.RESULTS)


@pytest.mark.postgres
def test_a_user_who_may_not_append_is_told(reader: str) -> None:
    with (
        Store.open(reader) as store,
        pytest.raises(StoreReadOnly, match="may not be written to"),
        store.begin(0) as writer,
    ):
        writer.append([], source="test", synthetic=True)


def test_a_file_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "store.db")
    connection.execute("PRAGMA query_only = 1")
    url = parse_url(f"sqlite:///{tmp_path}/store.db")
    with pytest.raises(StoreReadOnly, match="Make the file"), translated_errors(url):
        connection.execute("CREATE TABLE anything (id INTEGER)")
    connection.close()
