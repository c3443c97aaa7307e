"""Announcements: seen while their mesh lives, and gone with it, however it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from mesh.client.announcement import (
    Announcement,
    announce,
    announcement_folder,
    find_announcements,
)

if TYPE_CHECKING:
    from pathlib import Path


def announcement(process_id: int, directory: Path) -> Announcement:
    return Announcement(
        "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", "127.0.0.1:4", directory, process_id
    )


def test_meshes_are_found_while_they_run(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "meshes"
    assert find_announcements(folder) == ()
    first, second = announcement(1, tmp_path), announcement(2, tmp_path / "other")
    with announce(first, folder):
        with announce(second, folder):
            assert find_announcements(folder) == (first, second)
        assert find_announcements(folder) == (first,)
    assert find_announcements(folder) == ()
    assert list(folder.iterdir()) == []


@pytest.mark.integration
def test_what_a_killed_mesh_left_is_cleared_away(tmp_path: Path) -> None:
    script = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from mesh.client.announcement import Announcement, announce\n"
        "folder = Path(sys.argv[1])\n"
        "with announce(Announcement(*'abcd', folder, os.getpid()), folder):\n"
        "    print('announced', flush=True)\n"
        "    time.sleep(600)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"announced\n"
    (found,) = find_announcements(tmp_path)
    assert found.process_id == process.pid
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(tmp_path.iterdir()) != []
    assert find_announcements(tmp_path) == ()
    assert list(tmp_path.iterdir()) == []


def test_a_mesh_runs_where_it_cannot_announce_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    with announce(announcement(1, tmp_path), tmp_path / "file" / "meshes"):
        pass
    assert "mesh_not_announced" in "".join(capsys.readouterr())


def test_the_folder_is_the_users_unless_xdg_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    own = tmp_path / ".local/state/pagesim/meshes"
    assert announcement_folder({}) == own
    assert announcement_folder({"XDG_STATE_HOME": "relative"}) == own
    named = announcement_folder({"XDG_STATE_HOME": str(tmp_path / "state")})
    assert named == tmp_path / "state/pagesim/meshes"


def test_a_mesh_of_a_user_without_a_home_runs_unannounced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("pathlib.Path.home", fail)
    folder = announcement_folder({})
    assert folder is None
    with announce(announcement(1, tmp_path), folder):
        assert find_announcements(folder) == ()
    assert "mesh_not_announced" in "".join(capsys.readouterr())
