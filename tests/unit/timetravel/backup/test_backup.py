"""A backup is one state of a store, and a restore brings it back whole or not at all."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.support.facts.dirty_facts import START, random_batches, seeded
from tests.support.facts.fact_answers import ask_everything, fill
from tests.support.facts.upkeep import erase, files_with, put_back
from timetravel.backup import restore as restoring
from timetravel.backup.backup import Contents, back_up, describe_source
from timetravel.backup.restore import plan_restore
from timetravel.database import migrate
from timetravel.database.engine import parse_url
from timetravel.errors import (
    BackupDamaged,
    FileExists,
    SchemaOutdated,
    SchemaTooNew,
    StoreNotFound,
)
from timetravel.facts.model import AttributeFact, EntityKind
from timetravel.store import Store

if TYPE_CHECKING:
    from pathlib import Path

MOMENTS = (START + 3, START + 9)


def answers(url: str) -> dict[str, object]:
    with Store.open(url) as opened:
        return ask_everything(opened.as_of(), MOMENTS)


def person(profile_id: int, name: str = "MARKER") -> AttributeFact:
    return AttributeFact(EntityKind.PROFILE, profile_id, "title", START, START, name)


def append(store: Store, *facts: AttributeFact) -> None:
    with store.begin(store.snapshot()) as writer:
        writer.append(facts, source="test", synthetic=True)


@pytest.fixture
def filled(store: Store, store_url: str) -> str:
    fill(store, random_batches(seeded(3), batches=4, facts=60))
    return store_url


def test_a_backup_is_a_store_that_answers_alike(filled: str, tmp_path: Path) -> None:
    backup, told = tmp_path / "backup.db", list[tuple[int, int]]()
    contents = back_up(
        parse_url(filled), backup, progress=lambda done, total: told.append((done, total))
    )
    assert contents == Contents(migrate.newest_revision(), 6)
    assert contents == describe_source(parse_url(filled))
    assert told[-1][0] == told[-1][1] > 0
    assert backup.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.glob("*backup*")] == ["backup.db"]
    migrate.check(f"sqlite:///{backup}")
    assert answers(f"sqlite:///{backup}") == answers(filled)


def test_a_backup_is_restored_as_it_was_into_a_new_store(filled: str, tmp_path: Path) -> None:
    backup, url = tmp_path / "backup.db", f"sqlite:///{tmp_path / 'new.db'}"
    back_up(parse_url(filled), backup)
    expected = answers(filled)
    bytes_before = backup.read_bytes()
    plan = put_back(url, backup)
    assert (plan.replaces, plan.erased_again) == (None, ())
    assert answers(url) == expected
    assert backup.read_bytes() == bytes_before
    assert not list(tmp_path.glob(".*"))
    with Store.open(url) as opened:
        assert [one.kind for one in opened.upkeep()] == ["restore"]


def test_neither_is_written_over_another_unless_that_is_wanted(
    filled: str, store: Store, tmp_path: Path
) -> None:
    backup, url = tmp_path / "backup.db", parse_url(filled)
    back_up(url, backup)
    with pytest.raises(FileExists, match="--replace"):
        back_up(url, backup)
    with pytest.raises(FileExists, match="--replace"):
        plan_restore(url, backup, replace=False)
    expected = answers(filled)
    append(store, person(1, "later"))
    assert answers(filled) != expected
    assert put_back(filled, backup, replace=True).replaces == 7
    assert answers(filled) == expected
    append(store, person(1, "goes on"))
    assert back_up(url, backup, replace=True).snapshot == 7


def test_who_has_a_store_open_sees_the_restored_one(
    filled: str, store: Store, tmp_path: Path
) -> None:
    backup = tmp_path / "backup.db"
    back_up(parse_url(filled), backup)
    append(store, person(1))
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as reader:
        count = "SELECT count(*) FROM ingest_transaction"
        reader.execute("BEGIN")
        assert reader.execute(count).fetchone() == (7,)
        put_back(filled, backup, replace=True)
        assert reader.execute(count).fetchone() == (7,)
        reader.execute("COMMIT")
        assert reader.execute(count).fetchone() == (6,)
    assert store.snapshot() == 6


def test_a_restore_does_not_bring_back_who_was_erased_since(
    filled: str, store: Store, tmp_path: Path
) -> None:
    backup = tmp_path / "backup.db"
    append(store, person(4), person(5, "other"))
    back_up(parse_url(filled), backup)
    erase(store, 4)
    assert put_back(filled, backup, replace=True).erased_again == (4,)
    assert 4 not in store.as_of().entity_ids(EntityKind.PROFILE)
    assert 5 in store.as_of().entity_ids(EntityKind.PROFILE)
    assert store.erased_profiles().tolist() == [4]
    assert files_with(b"MARKER", tmp_path) == ["backup.db"]
    kinds = [(one.kind.value, one.upkeep_id) for one in store.upkeep()]
    assert kinds == [("restore", 2), ("erasure", 3)]


def test_erasures_of_an_unrelated_store_do_not_reach_a_backup(
    filled: str, store: Store, tmp_path: Path
) -> None:
    backup, url = tmp_path / "backup.db", f"sqlite:///{tmp_path / 'unrelated.db'}"
    append(store, person(4))
    back_up(parse_url(filled), backup)
    migrate.upgrade(url)
    with Store.open(url) as unrelated:
        with unrelated.begin(12345) as writer:
            writer.append([person(4)], source="test", synthetic=True)
        erase(unrelated, 4)
    assert put_back(url, backup, replace=True).erased_again == ()
    assert answers(url) == answers(filled)


def test_a_damaged_backup_is_refused_and_nothing_changes(filled: str, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    back_up(parse_url(filled), backup)
    expected = answers(filled)
    whole = backup.read_bytes()
    middle = len(whole) // 2
    for broken in (
        whole[:middle],
        whole[:middle] + bytes(4096) + whole[middle + 4096 :],
        b"",
        b"Dear reader, " * 1000,
        b"SQLite format 3\0" + b"?" * 5000,
    ):
        backup.write_bytes(broken)
        for url in (filled, f"sqlite:///{tmp_path / 'new.db'}"):
            with pytest.raises(BackupDamaged):
                put_back(url, backup, replace=True)
    assert answers(filled) == expected
    assert not (tmp_path / "new.db").exists()
    assert not list(tmp_path.glob(".*"))


def test_what_is_no_store_is_not_backed_up_and_not_restored(
    filled: str, tmp_path: Path
) -> None:
    database = tmp_path / "other.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE letters (text)")
    with pytest.raises(SchemaOutdated, match="no tables of a store"):
        back_up(parse_url(f"sqlite:///{database}"), tmp_path / "backup.db")
    with pytest.raises(StoreNotFound):
        back_up(parse_url(f"sqlite:///{tmp_path / 'none.db'}"), tmp_path / "backup.db")
    with pytest.raises(StoreNotFound, match="nowhere"):
        back_up(parse_url(filled), tmp_path / "nowhere" / "backup.db")
    with pytest.raises(BackupDamaged, match="no tables of a store"):
        plan_restore(parse_url(filled), database, replace=True)
    with pytest.raises(StoreNotFound):
        plan_restore(parse_url(filled), tmp_path / "none.db", replace=True)
    assert not list(tmp_path.glob("*backup*"))


def test_a_backup_of_an_earlier_revision_is_brought_up_to_date(
    filled: str, tmp_path: Path
) -> None:
    expected = answers(filled)
    migrate.downgrade(filled, "0002")
    backup, url = tmp_path / "backup.db", f"sqlite:///{tmp_path / 'new.db'}"
    assert back_up(parse_url(filled), backup).revision == "0002"
    assert put_back(url, backup).contents.revision == "0002"
    migrate.check(url)
    assert answers(url) == expected


def test_a_backup_of_a_later_pagesim_is_refused(filled: str, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    back_up(parse_url(filled), backup)
    with closing(sqlite3.connect(backup)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaTooNew, match="9999"):
        plan_restore(parse_url(filled), backup, replace=True)


def test_a_restore_that_fails_leaves_the_store_as_it_was(
    filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = tmp_path / "backup.db"
    back_up(parse_url(filled), backup)
    expected = answers(filled)

    def fail(*_arguments: object, **_keywords: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(restoring, "begin_upkeep", fail)
    for url in (filled, f"sqlite:///{tmp_path / 'new.db'}"):
        with pytest.raises(OSError, match="disk full"):
            put_back(url, backup, replace=True)
    assert answers(filled) == expected
    assert not (tmp_path / "new.db").exists()
    assert not list(tmp_path.glob(".*"))
