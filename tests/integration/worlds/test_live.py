"""Worlds lived by real processes, killed and not."""

from __future__ import annotations

import signal
import sqlite3
from typing import TYPE_CHECKING

import pytest

from tests.commands import check_pagesim, start_pagesim
from timetravel.store import Store

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

SIZES = ("--profiles", 20, "--videos", 120, "--days", 12)
KILLS = 3


def generate(folder: Path, seed: int = 5) -> Path:
    check_pagesim("world", "generate", "--world", folder, *SIZES, "--seed", seed)
    return folder


def make_store(path: Path) -> str:
    url = f"sqlite:///{path}"
    check_pagesim("db", "upgrade", "--store", url)
    return url


def contents(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of every table, in order."""
    with sqlite3.connect(path) as connection:
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        return {
            name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall(), key=repr)  # noqa: S608 - its own tables
            for (name,) in tables
        }


def written(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def transactions(path: Path) -> int:
    with sqlite3.connect(path) as connection:
        (count,) = connection.execute("SELECT count(*) FROM ingest_transaction").fetchone()
    return int(count)


def test_a_life_that_is_killed_again_and_again_is_the_life_undisturbed(
    tmp_path: Path,
) -> None:
    world = generate(tmp_path / "world")
    undisturbed, killed = make_store(tmp_path / "a.db"), make_store(tmp_path / "b.db")
    check_pagesim("world", "live", "--world", world, "--store", undisturbed)
    steps = transactions(tmp_path / "a.db") // (KILLS + 1)
    for kill in range(KILLS):
        process = start_pagesim("world", "live", "--world", world, "--store", killed)
        while process.poll() is None and transactions(tmp_path / "b.db") < (kill + 1) * steps:
            pass
        assert process.poll() is None, "it came to its end before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.communicate()
    check_pagesim("world", "live", "--world", world, "--store", killed)
    lived = contents(tmp_path / "a.db")
    assert contents(tmp_path / "b.db") == lived
    assert len(lived["logged_page"]) > 50
    with Store.open(undisturbed) as one, Store.open(killed) as other:
        assert one.digest() == other.digest()


def test_a_world_at_its_end_has_no_more_to_live(tmp_path: Path) -> None:
    world, url = generate(tmp_path / "world"), make_store(tmp_path / "store.db")
    first = check_pagesim("world", "live", "--world", world, "--store", url, "--json").document
    before = transactions(tmp_path / "store.db")
    again = check_pagesim("world", "live", "--world", world, "--store", url, "--json").document
    assert first["pages"] > 50
    assert again == first
    assert transactions(tmp_path / "store.db") == before


def test_a_world_follows_from_its_seed_alone(tmp_path: Path) -> None:
    first, same, other = (
        written(generate(tmp_path / name, seed))
        for name, seed in (("first", 5), ("same", 5), ("other", 6))
    )
    assert first == same
    assert first.keys() == other.keys()
    assert first != other
