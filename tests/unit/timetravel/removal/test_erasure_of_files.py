"""What is erased is in no file any more, and in no memory that answers."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.support.facts.upkeep import LATER, erase, files_with, upkeep_environment
from timetravel.database.engine import writing
from timetravel.errors import StoreChanged, StoreUnavailable
from timetravel.facts.model import (
    AttributeFact,
    EntityKind,
    EventFact,
    EventKind,
    FeatureFact,
    FeatureGroup,
    LoggedPageFact,
)
from timetravel.reader_pool import NOTICE_SECONDS, PinnedReaders
from timetravel.removal.completion import finish_upkeep, folders_behind
from timetravel.removal.removals import erase_profiles
from timetravel.removal.scrub import scrub
from timetravel.segments import build
from timetravel.segments.directory import SegmentDirectory
from timetravel.segments.reader import SegmentReader
from timetravel.upkeep.copies import CopyFolder, CopyKind, note_copy_folder, read_copy_folders

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from timetravel.facts.model import Fact
    from timetravel.store import Store

ERASED, OTHER = 17, 18
MARKER = b"MARKER"
VECTOR = np.frombuffer(MARKER + b"__", np.float32)
TASTE = FeatureGroup("taste", EntityKind.PROFILE, 1, ("a", "b"))


def facts_about(profile_id: int, marker: str, number: int) -> Iterator[Fact]:
    values = VECTOR if marker == MARKER.decode() else np.zeros(2, np.float32)
    name = f"{marker}-{profile_id}-{number}"
    yield FeatureFact("taste", profile_id, number, number, values)
    yield AttributeFact(EntityKind.PROFILE, profile_id, "name", number, number, name)
    yield EventFact(name, profile_id, number, EventKind.PLAY, 1, 1.0, number)
    yield LoggedPageFact(
        profile_id, number, number, marker, {"who": name}, name.encode(), "digest"
    )


def fill(store: Store, *, profiles: int = 40, versions: int = 20) -> None:
    """Fill a store in such an order that its pages are split and moved about."""
    chance = np.random.default_rng(1)
    for batch in range(5):
        numbers = chance.permutation(profiles * versions)[batch::5]
        facts: list[Fact] = []
        for number in numbers.tolist():
            profile_id = ERASED + number % profiles
            marker = MARKER.decode() if profile_id == ERASED else "filler"
            facts += facts_about(profile_id, marker, number)
        with store.begin(0) as writer:
            writer.register(TASTE)
            writer.append(facts, source="test", synthetic=True)


def test_an_erasure_leaves_no_byte_in_any_file_of_the_store(
    store: Store, tmp_path: Path
) -> None:
    fill(store)
    segments = SegmentDirectory(tmp_path / "segments")
    store.segment(store.snapshot(), directory=segments)
    before = store.count_facts()
    assert len(files_with(MARKER, tmp_path)) >= 3
    with closing(sqlite3.connect(tmp_path / "store.db")) as another:
        another.execute("SELECT count(*) FROM event_fact").fetchone()  # it keeps the log there
        done = erase(store, ERASED)
        assert files_with(MARKER, tmp_path) == []
    assert [one.ended_at for one in store.upkeep()] == [LATER]
    assert list(done.purged.values()) == [1]
    after = store.count_facts()
    assert before["events"] - after["events"] == before["logged_pages"] - after["logged_pages"]
    assert after["events"] > 0


def test_without_the_rewriting_of_its_file_bytes_would_stay(
    store: Store, tmp_path: Path
) -> None:
    fill(store)
    with writing(store.engine) as connection:
        connection.exec_driver_sql("PRAGMA secure_delete = OFF").close()
        connection.exec_driver_sql("DELETE FROM event_fact WHERE profile_id = 17")
    assert files_with(MARKER, tmp_path)


def test_a_reader_of_the_earlier_state_holds_an_erasure_up_until_it_ends(
    store: Store, tmp_path: Path
) -> None:
    fill(store)
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM event_fact").fetchone()
        erase_profiles(store.engine, [ERASED], reason="test", began_at=0, nonce=b"")
        with pytest.raises(StoreUnavailable, match="pagesim db upkeep --finish"):
            scrub(store.engine, everything=True, patience_seconds=0.2)
        assert files_with(MARKER, tmp_path)
        reader.execute("COMMIT")
    (unfinished,) = finish_upkeep(store.engine, upkeep_environment()).upkeep
    assert unfinished.upkeep_id == 1
    assert files_with(MARKER, tmp_path) == []


@pytest.mark.parametrize("on_disk", [True, False])
def test_a_server_that_holds_a_snapshot_forgets_who_was_erased(
    store: Store, tmp_path: Path, *, on_disk: bool
) -> None:
    fill(store)
    directory = SegmentDirectory(tmp_path / "segments") if on_disk else None
    snapshot, clock = store.snapshot(), [0.0]
    if directory is not None:
        store.segment(snapshot, directory=directory)
    readers = PinnedReaders(store, directory, now=lambda: clock[0])
    assert ERASED in readers.as_of(snapshot, None).entity_ids(EntityKind.PROFILE)
    erase(store, ERASED)
    clock[0] += 2 * NOTICE_SECONDS
    reader = readers.as_of(snapshot, None)
    assert ERASED not in reader.entity_ids(EntityKind.PROFILE)
    assert len(reader.history([ERASED], 10**6).event_at) == 0
    assert len(reader.history([OTHER], 10**6).event_at) > 0


def test_a_segment_that_is_built_during_an_erasure_is_thrown_away(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store)
    reached, go_on = threading.Event(), threading.Event()
    superseded_at = build._superseded_at

    def wait(*arguments: object) -> object:
        reached.set()
        assert go_on.wait(60)
        return superseded_at(*arguments)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(build, "_superseded_at", wait)
    directory = SegmentDirectory(tmp_path / "segments")
    failed: list[StoreChanged] = []

    def build_one() -> None:
        try:
            store.segment(store.snapshot(), directory=directory)
        except StoreChanged as error:
            failed.append(error)

    building = threading.Thread(target=build_one)
    building.start()
    assert reached.wait(60)
    erase_profiles(store.engine, [ERASED], reason="test", began_at=0, nonce=b"")
    threading.Timer(0.2, go_on.set).start()
    finish_upkeep(store.engine, upkeep_environment())  # waits for the build
    building.join()
    assert len(failed) == 1
    assert files_with(MARKER, tmp_path) == []
    monkeypatch.undo()
    segment = store.segment(store.snapshot(), directory=directory)
    assert ERASED not in SegmentReader(segment).entity_ids(EntityKind.PROFILE)


def test_what_a_killed_build_left_is_cleared_and_other_files_are_not(tmp_path: Path) -> None:
    folder = tmp_path / "segments"
    name = "7-0123456789abcdef"
    for left in (f"{name}.unfinished", f"{name}.removed", "notes"):
        (folder / left).mkdir(parents=True)
        (folder / left / "array.npy").write_bytes(MARKER)
    assert SegmentDirectory(folder).clear() == 2
    assert [path.name for path in sorted(folder.iterdir())] == [f"{name}.lock", "notes"]


def test_folders_of_other_machines_are_told_and_those_removed_are_forgotten(
    store: Store, tmp_path: Path
) -> None:
    fill(store, profiles=2, versions=2)
    gone = tmp_path / "gone"
    store.note_copies(gone, CopyKind.RESULTS, 1)
    store.note_copies(tmp_path, CopyKind.SEGMENTS)
    far = CopyFolder("elsewhere", gone, CopyKind.RESULTS)
    with writing(store.engine) as connection:
        note_copy_folder(connection, far)
    assert folders_behind(store.engine) == ()
    assert erase(store, ERASED).elsewhere == (far,)
    with writing(store.engine) as connection:
        known = [str(place) for place in read_copy_folders(connection)]
    assert known == [str(far), str(CopyFolder.here(tmp_path, CopyKind.SEGMENTS))]
    assert finish_upkeep(store.engine, upkeep_environment("elsewhere")).elsewhere == ()
