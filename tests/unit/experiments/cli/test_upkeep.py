"""What is done to a store as a whole, as people and scripts see it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from core.errors import PagesimError
from core.moments import parse_moment
from experiments.cli.db.database import database
from timetravel.database import migrate
from timetravel.database.engine import writing
from timetravel.errors import BackupDamaged, FileExists, InvalidQuestion, InvalidUpkeep
from timetravel.facts.model import AttributeFact, EntityKind, EventFact, EventKind
from timetravel.segments.directory import SegmentDirectory
from timetravel.store import Store
from timetravel.upkeep.copies import CopyFolder, CopyKind, note_copy_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result

DAY = 24 * 3600 * 1_000_000
FIRST = parse_moment("2024-01-01")


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    migrate.upgrade(url)
    return url


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store.open(url) as opened:
        with opened.begin(0) as writer:
            for day in range(3):
                moment = FIRST + day * DAY
                writer.append(
                    [
                        AttributeFact(EntityKind.PROFILE, 17, "day", moment, moment, day),
                        EventFact(f"e{day}", 17, moment, EventKind.PLAY, 1, 1.0, moment),
                        EventFact(f"o{day}", 18, moment, EventKind.PLAY, 1, 1.0, moment),
                    ],
                    source="test",
                    synthetic=True,
                )
        yield opened


def run(*arguments: object, url: str) -> Result:
    return CliRunner().invoke(database, [*map(str, arguments), "--store", url])


def document(*arguments: object, url: str) -> dict[str, Any]:
    result = run(*arguments, "--json", url=url)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def error_of(result: Result) -> PagesimError:
    assert isinstance(result.exception, PagesimError), result.output
    return result.exception


def test_a_dry_run_of_an_erasure_tells_what_it_would_do_and_does_nothing(
    url: str, store: Store, tmp_path: Path
) -> None:
    store.segment(store.snapshot(), directory=SegmentDirectory(tmp_path / "segments"))
    told = document("erase", 17, "--reason", "ticket", "--dry-run", url=url)
    assert told["removed"] == {"attribute_fact": 3, "entity": 1, "event_fact": 3}
    assert told["segments"] == [str(CopyFolder.here(tmp_path / "segments", CopyKind.SEGMENTS))]
    shown = run("erase", 17, "--reason", "ticket", "--dry-run", url=url)
    assert "           3  events" in shown.stdout
    assert store.count_facts()["events"] == 6
    assert store.upkeep() == []
    done = document("erase", 17, "--reason", "ticket", url=url)
    assert done["removed"] == told["removed"]
    assert list(done["purged"].values()) == [1]
    assert store.count_facts()["events"] == 3


def test_an_erasure_is_listed_with_its_reason_and_counts(url: str, store: Store) -> None:
    assert store.snapshot() == 3
    run("erase", 17, 17, "--reason", "ticket 7", url=url)
    (recorded,) = document("upkeep", url=url)["upkeep"]
    assert recorded["kind"] == "erasure"
    assert recorded["reason"] == "ticket 7"
    assert recorded["removed"] == {"attribute_fact": 3, "entity": 1, "event_fact": 3}
    assert recorded["began_at"] <= recorded["ended_at"]
    listed = run("upkeep", url=url).stdout
    assert "erasure" in listed
    assert "7 rows  ticket 7" in listed
    assert "17" not in recorded["reason"]


def test_an_erasure_of_nothing_says_so_and_is_not_recorded_twice(
    url: str, store: Store
) -> None:
    assert "nothing in the store" in run("erase", 99, "--reason", "t", url=url).stdout
    run("erase", 99, "--reason", "t", url=url)
    assert len(store.upkeep()) == 1
    assert document("readmit", 99, 98, "--reason", "back", url=url) == {"readmitted": 1}
    assert [one.kind for one in store.upkeep()] == ["erasure", "readmission"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["erase", "17"], "--reason"),
        (["erase", "--reason", "t"], "PROFILE"),
        (["erase", "-1", "--reason", "t"], "-1"),
        (["retain"], "either --older-than or --before"),
        (["retain", "--older-than", "1d", "--before", "2024-01-01"], "either"),
        (["retain", "--older-than", "soon"], "400d"),
        (["retain", "--before", "2024-01-02", "--snapshot", "99"], "the newest is 3"),
    ],
)
def test_a_wrong_command_line_is_told(
    url: str, store: Store, arguments: list[str], words: str
) -> None:
    result = run(*arguments, url=url)
    assert result.exit_code == 2
    assert words in result.stderr
    assert store.upkeep() == []


def test_what_makes_no_sense_is_refused(url: str, store: Store) -> None:
    blank = error_of(run("erase", 17, "--reason", " ", url=url))
    late = error_of(run("retain", "--older-than", "1d", url=url))
    unknown = error_of(run("upkeep", "--forget", "far:/away", url=url))
    for error in (blank, late, unknown):
        assert isinstance(error, InvalidUpkeep)
    assert "--before" in late.remedy
    for profile in ("seventeen", 2**63):
        error = error_of(run("erase", profile, "--reason", "t", url=url))
        assert isinstance(error, InvalidQuestion)
        assert error.problem == (
            f"'{profile}' is no profile: profiles have whole numbers in this store."
        )
    assert store.upkeep() == []


def test_a_dry_run_of_retention_counts_what_a_real_one_removes(url: str, store: Store) -> None:
    cutoff = ("retain", "--before", "2024-01-02")
    told = document(*cutoff, "--dry-run", url=url)
    assert told["removed"] == {"attribute_fact": 1}
    assert (told["snapshot"], told["pinned_by"]) == (3, None)
    assert store.retained().snapshot == 0
    done = document(*cutoff, url=url)
    assert (done["removed"], done["finished"]) == (told["removed"], [1])
    assert store.retained().since == FIRST + DAY
    assert "nothing in the store" in run(*cutoff, url=url).stdout
    assert store.as_of().attributes(EntityKind.PROFILE, [17], FIRST + DAY, ["day"]).columns == {
        "day": [1]
    }


def test_retention_spares_what_the_oldest_run_on_disk_pins(
    url: str, store: Store, tmp_path: Path
) -> None:
    for name, snapshot in (("run", 1), ("gone", 0), ("newer", 2)):
        store.note_copies(tmp_path / name, CopyKind.RESULTS, snapshot)
        if name != "gone":
            (tmp_path / name).mkdir()
    correction = AttributeFact(EntityKind.PROFILE, 17, "day", FIRST, FIRST + 5, "corrected")
    with store.begin(0) as writer:
        writer.append([correction], source="test", synthetic=True)
    cutoff = ("retain", "--before", "2024-01-01T12:00:00Z")
    told = document(*cutoff, "--dry-run", url=url)
    assert (told["snapshot"], told["removed"]) == (1, {})
    assert told["pinned_by"].endswith("/run")
    newest = document(*cutoff, "--snapshot", "newest", "--dry-run", url=url)
    assert (newest["snapshot"], newest["removed"]) == (4, {"attribute_fact": 1})
    assert document(*cutoff, "--snapshot", 3, "--dry-run", url=url)["removed"] == {}


def test_copies_on_another_machine_are_told_by_the_exit_code(
    url: str, store: Store, tmp_path: Path
) -> None:
    far = CopyFolder("far", tmp_path / "run", CopyKind.RESULTS)
    with writing(store.engine) as connection:
        note_copy_folder(connection, far)
    result = run("erase", 17, "--reason", "t", url=url)
    assert result.exit_code == 4
    assert f"Not reached: results in far:{tmp_path}/run" in result.stderr
    assert run("upkeep", "--finish", url=url).exit_code == 4
    assert run("upkeep", "--forget", far, url=url).exit_code == 0


def test_a_backup_and_a_restore_tell_what_they_hold(
    url: str, store: Store, tmp_path: Path
) -> None:
    backup = tmp_path / "backup.db"
    told = document("backup", backup, "--dry-run", url=url)
    assert not backup.exists()
    done = document("backup", backup, url=url)
    revision = migrate.newest_revision()
    for one, size in ((told, None), (done, backup.stat().st_size)):
        assert (one["revision"], one["snapshot"], one["bytes"]) == (revision, 3, size)
    assert isinstance(error_of(run("backup", backup, url=url)), FileExists)
    new = f"sqlite:///{tmp_path / 'new.db'}"
    assert document("restore", backup, "--dry-run", url=new)["replaces_snapshot"] is None
    assert not (tmp_path / "new.db").exists()
    assert run("restore", backup, url=new).exit_code == 0
    assert isinstance(error_of(run("restore", backup, url=new)), FileExists)
    run("erase", 17, "--reason", "t", url=url)
    again = document("restore", backup, "--replace", "--dry-run", url=url)
    assert (again["replaces_snapshot"], again["erased_again"]) == (3, [17])
    assert "1 profiles are erased again" in run("restore", backup, "--replace", url=url).stdout
    assert store.count_facts()["events"] == 3
    backup.write_bytes(b"Dear reader")
    assert isinstance(error_of(run("restore", backup, "--replace", url=url)), BackupDamaged)
