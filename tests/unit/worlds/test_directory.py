"""A world on disk: there as a whole or not at all."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from worlds.directory import open_world, write_world
from worlds.errors import MalformedWorld, WorldExists, WorldNotFound
from worlds.records import RECORD_KINDS
from worlds.visits import Visits

if TYPE_CHECKING:
    from pathlib import Path

    from worlds.directory import WorldWriter
    from worlds.manifest import Manifest

NO_VISITS = Visits(np.empty(0, np.int64), np.empty(0, np.int64), ())


def write_empty(writer: WorldWriter, manifest: Manifest) -> None:
    for kind in RECORD_KINDS:
        writer.write_facts(kind, [])
    writer.write_visits(NO_VISITS)
    writer.finish(manifest)


def test_a_world_that_was_written_can_be_opened(tmp_path: Path, manifest: Manifest) -> None:
    with write_world(tmp_path / "world") as writer:
        write_empty(writer, manifest)
    world = open_world(tmp_path / "world")
    assert world.manifest.counts == {
        "documents": 0,
        "attributes": 0,
        "availability": 0,
        "events": 0,
        "visits": 0,
    }
    assert list(world.timeline.facts()) == []
    assert len(world.visits()) == 0


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_half_written_stays(
    tmp_path: Path, manifest: Manifest, error: type[BaseException]
) -> None:
    def fail() -> None:
        with write_world(tmp_path / "world") as writer:
            write_empty(writer, manifest)
            raise error

    with pytest.raises(error):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "world").write_text("mine")
    with pytest.raises(WorldExists, match="exists already"), write_world(tmp_path / "world"):
        pass
    assert (tmp_path / "world").read_text() == "mine"


def test_a_world_needs_a_directory_to_be_put_into(tmp_path: Path) -> None:
    with (
        pytest.raises(WorldNotFound, match="not a directory"),
        write_world(tmp_path / "missing" / "world"),
    ):
        pass


def test_a_directory_without_a_manifest_is_no_world(tmp_path: Path) -> None:
    with pytest.raises(WorldNotFound, match=r"world\.json"):
        open_world(tmp_path)


def test_a_world_whose_files_were_swapped_is_refused(tmp_path: Path, tiny_world: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_world, copy)
    with write_world(tmp_path / "empty") as writer:
        write_empty(writer, open_world(copy).manifest)
    shutil.copy(tmp_path / "empty/timeline/events.parquet", copy / "timeline/events.parquet")
    with pytest.raises(MalformedWorld) as caught:
        open_world(copy)
    assert caught.value.field == "counts.events"


@pytest.mark.parametrize("name", ["visits.parquet", "timeline/availability.parquet"])
def test_a_world_that_lost_a_file_is_refused(
    tmp_path: Path, tiny_world: Path, name: str
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_world, copy)
    (copy / name).unlink()
    with pytest.raises(MalformedWorld, match=name.rpartition("/")[2]):
        open_world(copy)
