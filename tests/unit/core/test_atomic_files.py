"""A file is there whole, or as it was before."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from core.atomic_files import UNFINISHED, atomic_file, is_being_written

if TYPE_CHECKING:
    from pathlib import Path

KILLED_WHILE_IT_WRITES = """
import os, signal, sys
from pathlib import Path
from core.atomic_files import atomic_file
with atomic_file(Path(sys.argv[1])) as unfinished:
    unfinished.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_written_replaces_the_target_and_leaves_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "target"
    for text in ("first", "second"):
        with atomic_file(target) as unfinished:
            unfinished.write_text(text)
        assert target.read_text() == text
    assert list(target.parent.iterdir()) == [target]


def test_an_error_leaves_the_target_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("before")

    def write_and_fail() -> None:
        with atomic_file(target) as unfinished:
            unfinished.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_a_killed_writer_leaves_the_target_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("before")
    subprocess.run([sys.executable, "-c", KILLED_WHILE_IT_WRITES, str(target)], check=False)
    assert target.read_text() == "before"
    (left,) = {*tmp_path.iterdir()} - {target}
    assert left.name.startswith(".")
    assert left.name.endswith(UNFINISHED)
    assert not is_being_written(left)


def test_a_file_is_known_to_be_written_until_it_is_there(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "target") as unfinished:
        assert is_being_written(unfinished)
    assert not is_being_written(unfinished)


def test_two_writers_of_one_target_do_not_disturb_each_other(tmp_path: Path) -> None:
    target = tmp_path / "target"
    with atomic_file(target) as first:
        first.write_text("first")
        with atomic_file(target) as second:
            second.write_text("second")
        assert target.read_text() == "second"
    assert target.read_text() == "first"


@pytest.mark.parametrize(("private", "mode"), [(True, 0o600), (False, 0o644)])
def test_a_private_file_is_for_its_owner_alone(
    tmp_path: Path, *, private: bool, mode: int
) -> None:
    umask = os.umask(0o022)
    try:
        with atomic_file(tmp_path / "target", private=private) as unfinished:
            unfinished.write_text("text")
    finally:
        os.umask(umask)
    assert (tmp_path / "target").stat().st_mode & 0o777 == mode
