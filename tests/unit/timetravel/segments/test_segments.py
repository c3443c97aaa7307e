"""Segments on disk: never half there, never out of date, never wrong."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.support.facts.dirty_facts import (
    GROUPS,
    PROFILES,
    SPAN,
    START,
    TASTE,
    random_batches,
    seeded,
)
from tests.support.facts.fact_answers import ask_everything, ask_features, ask_history, fill
from timetravel.errors import OutsideSegment, SegmentDamaged
from timetravel.facts.model import EntityKind, FeatureFact, FeatureGroup
from timetravel.segments.directory import SegmentDirectory
from timetravel.segments.files import MANIFEST, read_segment
from timetravel.segments.reader import SegmentReader
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MOMENTS = (START - 1, START + SPAN // 2, START + SPAN)


@pytest.fixture
def directory(tmp_path: Path) -> SegmentDirectory:
    return SegmentDirectory(tmp_path / "segments")


@pytest.fixture
def filled(store: Store) -> Store:
    fill(store, random_batches(seeded(1), batches=6, facts=60))
    return store


def folders(directory: SegmentDirectory) -> list[Path]:
    return sorted(path for path in directory.folder.iterdir() if path.is_dir())


def answers(store: Store, directory: SegmentDirectory | None = None) -> object:
    segment = store.segment(store.snapshot(), directory=directory)
    return ask_everything(SegmentReader(segment), MOMENTS)


def test_a_segment_in_memory_answers_as_one_on_disk(
    filled: Store, directory: SegmentDirectory
) -> None:
    assert answers(filled) == answers(filled, directory) == answers(filled, directory)


def test_an_empty_store_has_an_empty_segment(store: Store, directory: SegmentDirectory) -> None:
    expected = ask_everything
    with store.begin(0) as writer:
        for group in GROUPS:
            writer.register(group)
    assert answers(store, directory) == expected(store.as_of(), MOMENTS)


def test_a_segment_is_built_once_and_then_found(
    filled: Store, directory: SegmentDirectory
) -> None:
    told: list[tuple[str, int, int]] = []

    def note(part: str, done: int, total: int) -> None:
        told.append((part, done, total))

    filled.segment(filled.snapshot(), directory=directory, progress=note)
    assert ("events", 0, told[0][2]) != told[0]
    assert all(done <= total for _, done, total in told)
    assert {done for part, done, total in told if done == total}
    before = len(told)
    filled.segment(filled.snapshot(), directory=directory, progress=note)
    assert len(told) == before
    assert len(folders(directory)) == 1


def test_later_facts_are_in_the_segment_of_a_later_snapshot_only(
    filled: Store, directory: SegmentDirectory
) -> None:
    earlier = filled.snapshot()
    before = answers(filled, directory)
    with filled.begin(START) as writer:
        fact = FeatureFact(TASTE.name, PROFILES[0], START, START, np.ones(2, np.float32))
        writer.append([fact], source="test", synthetic=True)
    pinned = SegmentReader(filled.segment(earlier, directory=directory))
    assert ask_everything(pinned, MOMENTS) == before
    assert answers(filled, directory) == ask_everything(filled.as_of(), MOMENTS)
    assert len(folders(directory)) == 2


def test_stores_that_differ_share_no_segment_though_their_transactions_look_alike(
    filled: Store, directory: SegmentDirectory, tmp_path: Path
) -> None:
    filled.close()
    copies = []
    for number in range(2):
        path = tmp_path / f"copy-{number}.db"
        shutil.copy(tmp_path / "store.db", path)
        copies.append(Store.open(f"sqlite:///{path}"))
    for number, copy in enumerate(copies):
        with copy.begin(START) as writer:
            vector = np.full(2, number, np.float32)
            at = START + SPAN
            fact = FeatureFact(TASTE.name, PROFILES[0], at, at, vector)
            writer.append([fact], source="test", synthetic=True)
    found = [answers(copy, directory) for copy in copies]
    assert found == [ask_everything(copy.as_of(), MOMENTS) for copy in copies]
    assert found[0] != found[1]
    for copy in copies:
        copy.close()


def test_a_segment_of_some_profiles_answers_for_them_and_for_nobody_else(
    filled: Store, directory: SegmentDirectory
) -> None:
    chosen, other = PROFILES[:2], PROFILES[2]
    snapshot = filled.snapshot()
    segment = filled.segment(snapshot, directory=directory, profile_ids=chosen)
    reader, whole = SegmentReader(segment), filled.as_of(snapshot)
    for at in MOMENTS:
        rows, expected = (one.features(TASTE.name, chosen, at) for one in (reader, whole))
        np.testing.assert_array_equal(rows.values, expected.values)
        assert reader.history(chosen, at).event_at.tolist() == (
            whole.history(chosen, at).event_at.tolist()
        )
    for ask in (
        lambda: reader.features(TASTE.name, [other], START),
        lambda: reader.history([chosen[0], other], START),
        lambda: reader.attributes(EntityKind.PROFILE, [other], START, ["title"]),
        lambda: reader.attribute_names(EntityKind.PROFILE, other),
    ):
        with pytest.raises(OutsideSegment, match=str(other)):
            ask()


def test_a_segment_knows_the_fields_of_every_schema_version(
    store: Store, directory: SegmentDirectory
) -> None:
    with store.begin(0) as writer:
        writer.register(FeatureGroup("taste", EntityKind.PROFILE, 1, ("a", "b")))
        first = FeatureFact("taste", 1, 0, 0, np.array([1, 2], np.float32))
        writer.append([first], source="test", synthetic=True)
        writer.register(FeatureGroup("taste", EntityKind.PROFILE, 2, ("b", "c")))
        second = FeatureFact("taste", 2, 0, 0, np.array([3, 4], np.float32))
        writer.append([second], source="test", synthetic=True)
    reader = SegmentReader(store.segment(store.snapshot(), directory=directory))
    np.testing.assert_array_equal(
        reader.features("taste", [1, 2], 0).values, [[2, np.nan], [3, 4]]
    )


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, flip, lambda path: path.unlink()])
@pytest.mark.parametrize("pattern", ["array-0.npy", "matrix-*.npy", MANIFEST])
def test_a_damaged_segment_is_refused_and_built_again(
    damage: Callable[[Path], None], pattern: str, filled: Store, directory: SegmentDirectory
) -> None:
    expected = answers(filled, directory)
    (folder,) = folders(directory)
    damage(next(folder.glob(pattern)))
    with pytest.raises(SegmentDamaged, match=folder.name):
        read_segment(folder)
    assert answers(filled, directory) == expected
    read_segment(folder)


def test_a_segment_of_another_format_is_built_again(
    filled: Store, directory: SegmentDirectory
) -> None:
    expected = answers(filled, directory)
    (folder,) = folders(directory)
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**manifest, "format": 0}))
    with pytest.raises(SegmentDamaged, match="format 0"):
        read_segment(folder)
    assert answers(filled, directory) == expected


def test_what_a_killed_build_left_is_no_segment_and_does_not_stay(
    filled: Store, directory: SegmentDirectory
) -> None:
    expected = answers(filled, directory)
    (folder,) = folders(directory)
    unfinished = folder.rename(folder.with_name(folder.name + ".unfinished"))
    (unfinished / MANIFEST).unlink()
    assert answers(filled, directory) == expected
    assert folders(directory) == [folder]


def test_segments_can_be_removed_while_they_are_read(
    filled: Store, directory: SegmentDirectory
) -> None:
    snapshot = filled.snapshot()
    reader = SegmentReader(filled.segment(snapshot, directory=directory))
    whole = filled.as_of(snapshot)
    assert directory.trim(0) == 1
    assert folders(directory) == []
    for ask in (ask_features, ask_history):
        assert ask(reader, MOMENTS) == ask(whole, MOMENTS)
