"""Erasures, retention, backups and restores on a real PostgreSQL server."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
import sqlalchemy as sa

from tests.support.facts.dirty_facts import START, random_batches, seeded
from tests.support.facts.fact_answers import ask_everything, fill
from tests.support.facts.upkeep import (
    LATER,
    NONCE,
    erase,
    own_database,
    put_back,
    retain,
    upkeep_environment,
)
from timetravel.backup import restore as restoring
from timetravel.backup.backup import Contents, back_up, describe_source
from timetravel.backup.restore import plan_restore, restore
from timetravel.database import migrate
from timetravel.database.engine import parse_url
from timetravel.errors import BackupDamaged, FileExists, ProgramMissing, StoreUnavailable
from timetravel.facts.model import AttributeFact, EntityKind, EventFact, EventKind
from timetravel.removal.completion import finish_upkeep
from timetravel.removal.removals import erase_profiles
from timetravel.removal.retention import Bounds
from timetravel.removal.scrub import scrub
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.postgres]

MARKER = "MARKER"
MOMENTS = (START + 3, START + 9)
# Every file of the database: tables, indexes, long values, and the catalogues.
RELATIONS = """
SELECT relname FROM pg_class
WHERE relkind IN ('r', 'i', 't', 'm') AND relfilenode <> 0 OR relname = 'pg_statistic'
"""
HOLDS = "SELECT position(%s::bytea IN pg_read_binary_file(pg_relation_filepath(%s::regclass)))"


@pytest.fixture(scope="module")
def empty_store() -> Iterator[str]:
    """A database with nothing but our tables, to be copied."""
    with own_database() as url:
        migrate.upgrade(url)
        yield url


@pytest.fixture
def url(empty_store: str) -> Iterator[str]:
    with own_database(template=empty_store) as url:
        yield url


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store.open(url) as opened:
        yield opened


def relations_with(marker: str, store: Store) -> set[str]:
    engine = store.engine.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("CHECKPOINT")
        oids = connection.exec_driver_sql(
            RELATIONS.replace("relname FROM", "oid, relname FROM")
        )
        return {
            name
            for oid, name in oids.all()
            if connection.exec_driver_sql(HOLDS, (marker.encode(), oid)).scalar()
        }


def events(profile_id: int, name: str) -> list[EventFact]:
    return [
        EventFact(f"{name}-{number}", profile_id, number, EventKind.PLAY, 1, 1.0, number)
        for number in range(200)
    ]


def append(store: Store, *facts: EventFact | AttributeFact) -> None:
    with store.begin(store.snapshot()) as writer:
        writer.append(facts, source="test", synthetic=True)


def answers(url: str) -> dict[str, object]:
    with Store.open(url) as opened:
        return ask_everything(opened.as_of(), MOMENTS)


def test_an_erasure_leaves_no_byte_in_any_relation(store: Store) -> None:
    append(store, *events(17, MARKER), *events(18, "other"))
    with store.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.commit()
    before = relations_with(MARKER, store)
    assert {"event_fact", "pg_statistic"} < before
    erase(store, 17)
    assert relations_with(MARKER, store) == set()
    assert len(relations_with("other-", store)) >= 2
    assert store.as_of().history([18], 10**6).event_at.tolist() == list(range(199, -1, -1))


def test_without_the_rewriting_of_tables_bytes_would_stay(store: Store) -> None:
    append(store, *events(17, MARKER), *events(18, "other"))
    erase_profiles(store.engine, [17], reason="test", began_at=0, nonce=b"")
    scrub(store.engine, everything=False)
    assert relations_with(MARKER, store)
    (unfinished,) = finish_upkeep(store.engine, upkeep_environment()).upkeep
    assert unfinished.upkeep_id == 1
    assert relations_with(MARKER, store) == set()


def test_a_reader_of_the_earlier_state_is_waited_for(store: Store) -> None:
    append(store, *events(17, MARKER))
    with store.engine.connect() as reader, reader.begin():
        reader.exec_driver_sql("SELECT count(*) FROM event_fact").scalar()
        erase_profiles(store.engine, [17], reason="test", began_at=0, nonce=b"")
        with pytest.raises(StoreUnavailable, match="pagesim db upkeep --finish"):
            scrub(store.engine, everything=True, patience_seconds=0.3)
        threading.Timer(0.5, reader.rollback).start()
        scrub(store.engine, everything=True)
    assert relations_with(MARKER, store) == set()


def test_retention_gives_answers_as_before(url: str, store: Store) -> None:
    fill(store, random_batches(seeded(3), batches=4, facts=60))
    expected = answers(url)
    assert retain(store, Bounds(MOMENTS[0], store.snapshot())).upkeep[0].removed
    assert answers(url) == expected


def test_a_backup_is_restored_as_it_was(url: str, store: Store, tmp_path: Path) -> None:
    fill(store, random_batches(seeded(3), batches=4, facts=60))
    backup, told = tmp_path / "backup.dump", list[tuple[int, int]]()
    contents = back_up(
        parse_url(url), backup, progress=lambda done, total: told.append((done, total))
    )
    assert contents == Contents(migrate.newest_revision(), 6) == describe_source(parse_url(url))
    assert told[-1][0] == told[-1][1] > 10
    assert backup.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["backup.dump"]
    expected = answers(url)
    with own_database() as other:
        assert put_back(other, backup).replaces is None
        migrate.check(other)
        assert answers(other) == expected
        with pytest.raises(FileExists, match="--replace"):
            plan_restore(parse_url(other), backup, replace=False)


def test_a_restore_replaces_a_store_and_leaves_other_tables(
    url: str, store: Store, tmp_path: Path
) -> None:
    person = AttributeFact(EntityKind.PROFILE, 4, "name", START, START, MARKER)
    append(store, person, *events(5, "other"))
    with store.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE letters AS SELECT 'Dear reader' AS text")
    backup = tmp_path / "backup.dump"
    back_up(parse_url(url), backup)
    append(store, *events(5, "later"))
    erase(store, 4)
    assert put_back(url, backup, replace=True).erased_again == (4,)
    finish_upkeep(store.engine, upkeep_environment())
    assert store.snapshot() == 1
    assert len(store.as_of().history([5], 10**6).event_at) == 200
    assert relations_with(MARKER, store) == set()
    assert store.erased_profiles().tolist() == [4]
    with store.engine.begin() as connection:
        assert connection.exec_driver_sql("SELECT text FROM letters").scalar()
        connection.exec_driver_sql("DROP TABLE letters")
    migrate.check(url)


def test_a_restore_that_is_killed_half_way_still_erases_again(
    url: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(store, AttributeFact(EntityKind.PROFILE, 4, "name", START, START, MARKER))
    backup = tmp_path / "backup.dump"
    back_up(parse_url(url), backup)
    erase(store, 4)
    with monkeypatch.context() as patch:
        patch.setattr(restoring, "_prepare", lambda *_, **__: None)
        put_back(url, backup, replace=True)
    assert store.as_of().entity_ids(EntityKind.PROFILE).tolist() == [4]
    finish_upkeep(store.engine, upkeep_environment())
    assert store.as_of().entity_ids(EntityKind.PROFILE).tolist() == []
    assert relations_with(MARKER, store) == set()
    migrate.check(url)


def test_a_damaged_backup_is_refused_and_nothing_changes(
    url: str, store: Store, tmp_path: Path
) -> None:
    fill(store, random_batches(seeded(3), batches=4, facts=60))
    backup = tmp_path / "backup.dump"
    back_up(parse_url(url), backup)
    expected, whole = answers(url), backup.read_bytes()
    plan = plan_restore(parse_url(url), backup, replace=True)
    for broken in (whole[: len(whole) * 9 // 10], whole[:300], b"PGDMP"):
        backup.write_bytes(broken)
        with pytest.raises(BackupDamaged):
            plan_restore(parse_url(url), backup, replace=True)
        with pytest.raises((BackupDamaged, StoreUnavailable)):
            restore(parse_url(url), backup, plan, began_at=LATER, nonce=NONCE)
        assert answers(url) == expected


def test_a_backup_is_of_one_state_while_others_write(
    url: str, store: Store, tmp_path: Path
) -> None:
    stop, ended = threading.Event(), list[int]()

    def write() -> None:
        with Store.open(url) as writing:
            number = 0
            while not stop.is_set():
                number += 1
                append(
                    writing,
                    *(
                        AttributeFact(EntityKind.PROFILE, one, "n", number, number, number)
                        for one in range(20)
                    ),
                )
            ended.append(number)

    writer = threading.Thread(target=write)
    writer.start()
    while store.snapshot() < 5 and writer.is_alive():
        pass
    contents = back_up(parse_url(url), tmp_path / "backup.dump")
    while store.snapshot() <= contents.snapshot and writer.is_alive():
        pass
    stop.set()
    writer.join()
    with own_database() as other:
        put_back(other, tmp_path / "backup.dump")
        with Store.open(other) as restored:
            assert restored.snapshot() == contents.snapshot < ended[0]
            assert restored.count_facts()["attributes"] == 20 * contents.snapshot
            found = restored.as_of().attributes(EntityKind.PROFILE, range(20), 10**9, ["n"])
            assert np.unique(np.array(found.columns["n"])).tolist() == [contents.snapshot]


def test_a_password_is_on_no_command_line(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    fake = programs / "pg_dump"
    fake.write_text(
        '#!/bin/sh\ntr "\\0" " " < /proc/$$/cmdline > "$OUT"; echo $PGPASSWORD >&2\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("OUT", str(tmp_path / "seen"))
    secret = sa.make_url(url).set(password=MARKER)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", f"{programs}:/usr/bin:/bin")
        back_up(secret, tmp_path / "backup.dump")
    seen = (tmp_path / "seen").read_text()
    assert "--format=custom" in seen
    assert MARKER not in seen
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramMissing, match="postgresql-client"):
        back_up(secret, tmp_path / "other.dump")
    assert not (tmp_path / "other.dump").exists()
