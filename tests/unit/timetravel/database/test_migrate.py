"""Stores are made, upgraded and refused."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest
from alembic import command

from timetravel.database import migrate
from timetravel.errors import (
    InvalidStoreUrl,
    SchemaOutdated,
    SchemaTooNew,
    StoreNotFound,
    StoreUnavailable,
)
from timetravel.store import Store

if TYPE_CHECKING:
    from pathlib import Path


def test_an_upgrade_makes_a_store_with_the_tables_of_the_definition(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    assert migrate.upgrade(url) == migrate.newest_revision()
    assert migrate.current_revision(url) == migrate.newest_revision()
    migrate.check(url)


def test_an_upgrade_of_what_is_up_to_date_changes_nothing(store_url: str, store: Store) -> None:
    with store.begin(0) as writer:
        writer.set_cursor("job", {"day": 3})
    migrate.upgrade(store_url)
    assert store.cursor("job") == {"day": 3}


def test_a_downgrade_takes_everything_away_and_an_upgrade_brings_it_back(
    store_url: str,
) -> None:
    migrate.downgrade(store_url, "base")
    assert migrate.current_revision(store_url) is None
    migrate.upgrade(store_url)
    migrate.check(store_url)


def test_a_failed_upgrade_leaves_no_file_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade = command.upgrade

    def upgrade_and_fail(*arguments: object) -> None:
        upgrade(*arguments)  # type: ignore[arg-type]  # handed on as they came
        raise OSError("disk full")

    monkeypatch.setattr(command, "upgrade", upgrade_and_fail)
    with pytest.raises(OSError, match="disk full"):
        migrate.upgrade(f"sqlite:///{tmp_path / 'new.db'}")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_upgrade_leaves_the_store_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "empty.db"
    path.touch()
    upgrade = command.upgrade

    def upgrade_and_fail(*arguments: object) -> None:
        upgrade(*arguments)  # type: ignore[arg-type]  # handed on as they came
        raise OSError("disk full")

    monkeypatch.setattr(command, "upgrade", upgrade_and_fail)
    with pytest.raises(OSError, match="disk full"):
        migrate.upgrade(f"sqlite:///{path}")
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []
    connection.close()


def test_a_store_without_its_migrations_is_refused_with_the_command(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    path.touch()
    url = f"sqlite:///{path}"
    with pytest.raises(SchemaOutdated, match="pagesim db upgrade --store sqlite:///"):
        Store.open(url)
    with pytest.raises(SchemaOutdated):
        migrate.check(url)


def test_a_store_of_a_later_pagesim_is_refused(store_url: str, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "store.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(SchemaTooNew, match="9999"):
        Store.open(store_url)
    with pytest.raises(SchemaTooNew):
        migrate.upgrade(store_url)


def test_tables_changed_by_hand_are_found(store_url: str, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "store.db") as connection:
        connection.execute("ALTER TABLE event_fact ADD COLUMN mood TEXT")
    connection.close()
    with pytest.raises(SchemaOutdated, match="mood"):
        migrate.check(store_url)


def test_a_store_that_is_not_there_is_not_made_by_opening_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'none.db'}"
    with pytest.raises(StoreNotFound, match="pagesim db upgrade --store sqlite:///"):
        Store.open(url)
    with pytest.raises(StoreNotFound):
        migrate.current_revision(url)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreNotFound, match="nowhere"):
        migrate.upgrade(f"sqlite:///{tmp_path / 'nowhere' / 'store.db'}")


def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear reader, " * 1000)
    before = path.read_bytes()
    for use in (Store.open, migrate.upgrade):
        with pytest.raises(StoreNotFound, match="not an SQLite database"):
            use(f"sqlite:///{path}")
    assert path.read_bytes() == before


@pytest.mark.parametrize("url", ["store.db", "", "mysql://host/db", "sqlite://", "sqlite:///"])
def test_a_url_that_names_no_store_is_refused(url: str) -> None:
    with pytest.raises(InvalidStoreUrl, match="sqlite:///path"):
        Store.open(url)


def test_an_unreachable_server_is_named_without_its_password() -> None:
    url = "postgresql+psycopg://someone:secret@127.0.0.1:1/nowhere"
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1/nowhere") as refused:
        Store.open(url)
    assert "secret" not in str(refused.value)
