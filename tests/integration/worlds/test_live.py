"""Worlds lived by real processes, killed and not."""

from __future__ import annotations

import re
import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.support.commands import check_invoked, check_pagesim, start_pagesim
from tests.support.effort import effort
from timetravel.store import Store

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

pytestmark = pytest.mark.integration

SMALL = ("--profiles", 20, "--videos", 120, "--days", 12)
LARGE = ("--profiles", 70, "--videos", 60, "--days", 30)
"""Enough visits for three transactions of 256."""

KILLED_AT = effort((0.93,), (0.1, 0.5, 0.7, 0.93))
"""Shares of the visits lived; two of the four kills fall into one transaction."""

LOGGED_BEFORE = effort([0], [0, 0, 256, 256])
"""The pages that each killed process found."""

PROGRESS = re.compile(r": (\d+)/(\d+) \(\d+%\)")
GOING_ON = re.compile(r"Going on from \S+Z, with ([\d,]+) pages logged so far\.")


class Lived(NamedTuple):
    """A world, the store of its undisturbed life, and what was said meanwhile."""

    world: Path
    store: Path
    output: str
    messages: str


def generate(folder: Path, sizes: tuple[object, ...] = SMALL, seed: int = 5) -> Path:
    check_pagesim("world", "generate", "--world", folder, *sizes, "--seed", seed)
    return folder


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


def make_store(path: Path) -> Path:
    check_pagesim("db", "upgrade", "--store", url_of(path))
    return path


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    folder = tmp_path_factory.mktemp("lived")
    world, store = generate(folder / "world", LARGE), make_store(folder / "store.db")
    outcome = check_pagesim("world", "live", "--world", world, "--store", url_of(store))
    return Lived(world, store, outcome.output, outcome.messages)


def start_living(world: Path, store: Path) -> subprocess.Popen[str]:
    return start_pagesim("world", "live", "--world", world, "--store", url_of(store))


def wait_until_lived(process: subprocess.Popen[str], share: float) -> str:
    """Read messages until that share of the visits has been lived; return them."""
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        done = PROGRESS.search(line)
        if done and int(done[1]) >= share * int(done[2]):
            return said
    raise AssertionError(f"it ended before it was at {share:.0%}: {said}")


def kill_at(world: Path, store: Path, share: float) -> str:
    """Live until a share of the visits is lived, kill, and return what was said."""
    process = start_living(world, store)
    try:
        said = wait_until_lived(process, share)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL, "it had ended before it was killed"
    return said


def contents(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of every table, in the order in which the table has them."""
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        return {
            name: connection.execute(f"SELECT * FROM {name}").fetchall()  # noqa: S608 - its own tables
            for (name,) in tables
        }


def pages_in(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM logged_page").fetchone()
    return int(count)


@pytest.mark.scaled
def test_a_life_that_is_killed_again_and_again_is_the_life_undisturbed(
    lived: Lived, tmp_path: Path
) -> None:
    store = make_store(tmp_path / "store.db")
    before = []
    for share in KILLED_AT:
        before.append(pages_in(store))
        said = kill_at(lived.world, store, share)
        goes_on = GOING_ON.search(said)
        assert (int(goes_on[1]) if goes_on else 0) == before[-1]
    assert before == LOGGED_BEFORE
    last = check_pagesim("world", "live", "--world", lived.world, "--store", url_of(store))
    assert "with 512 pages logged so far." in last.messages
    assert last.output == lived.output
    # No column is of the wall clock: also the moments of transactions are the world's.
    undisturbed, killed = contents(lived.store), contents(store)
    assert killed.keys() == undisturbed.keys()
    for table, rows in undisturbed.items():
        assert killed[table] == rows, table
    with Store.open(url_of(lived.store)) as one, Store.open(url_of(store)) as other:
        assert one.digest() == other.digest()


def test_progress_is_told_from_the_first_visit_to_the_end(lived: Lived) -> None:
    visits = check_pagesim("world", "show", "--world", lived.world, "--json").document
    count = visits["counts"]["visits"]
    done = [(int(one[1]), int(one[2])) for one in PROGRESS.finditer(lived.messages)]
    assert {total for _, total in done} == {count}
    assert 8 <= len(done) <= 11
    assert done == sorted(done)
    assert f", its end: {pages_in(lived.store)} pages logged." in lived.output
    assert "Going on" not in lived.messages


def test_a_world_at_its_end_has_no_more_to_live(lived: Lived) -> None:
    before = contents(lived.store)
    again = check_invoked(
        "world", "live", "--world", lived.world, "--store", url_of(lived.store)
    )
    assert "There is nothing left to live." in again.messages
    assert again.output == lived.output
    assert contents(lived.store) == before


def test_an_interrupted_life_says_how_to_go_on(tmp_path: Path) -> None:
    world, store = generate(tmp_path / "world"), make_store(tmp_path / "store.db")
    process = start_living(world, store)
    try:
        wait_until_lived(process, 0.2)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert "Stopped. Run the same command to go on." in said
    assert "Traceback" not in said


def written(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_world_follows_from_its_seed_alone(tmp_path: Path) -> None:
    first, same, other = (
        written(generate(tmp_path / name, seed=seed))
        for name, seed in (("first", 5), ("same", 5), ("other", 6))
    )
    assert first == same
    assert first.keys() == other.keys()
    # Production's documents are the same in every world of these dates.
    alike = {name for name in first if first[name] == other[name]}
    assert alike == {"timeline/documents.parquet"}
