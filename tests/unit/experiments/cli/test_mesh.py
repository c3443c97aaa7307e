"""Which mesh is meant, and since when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from core.errors import InvalidInput
from experiments.cli.mesh.choice import choose_announcement
from experiments.cli.mesh.logs import parse_since
from mesh.client.announcement import Announcement
from mesh.errors import MeshNotFound

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_700_000_000_000_000
MINUTE = 60_000_000


def announcement(port: int, directory: Path) -> Announcement:
    return Announcement(
        f"127.0.0.1:{port}", f"127.0.0.1:{port + 1}", "m:1", "e:1", directory, port
    )


@pytest.fixture
def two(tmp_path: Path) -> tuple[Announcement, Announcement]:
    (tmp_path / "first").mkdir()
    return announcement(100, tmp_path / "first"), announcement(200, tmp_path / "second")


def test_the_only_mesh_need_not_be_named(two: tuple[Announcement, ...]) -> None:
    assert choose_announcement(None, two[:1]) is two[0]


def test_one_of_several_is_named_by_either_address_or_by_its_directory(
    two: tuple[Announcement, ...],
) -> None:
    for name in ("127.0.0.1:200", "127.0.0.1:201", str(two[1].directory)):
        assert choose_announcement(name, two) is two[1]


def test_several_are_listed_when_none_is_named(two: tuple[Announcement, ...]) -> None:
    with pytest.raises(MeshNotFound, match="2 meshes run here") as caught:
        choose_announcement(None, two)
    for one in two:
        assert one.address in str(caught.value)
        assert str(one.directory) in str(caught.value)


def test_none_is_answered_with_how_to_start_one() -> None:
    with pytest.raises(MeshNotFound, match="Start one with `pagesim serve"):
        choose_announcement(None, ())


def test_a_directory_without_a_mesh_is_said_so(
    two: tuple[Announcement, ...], tmp_path: Path
) -> None:
    with pytest.raises(MeshNotFound, match="No mesh uses"):
        choose_announcement(str(tmp_path), two)


def test_an_address_that_is_not_announced_may_be_elsewhere(
    two: tuple[Announcement, ...],
) -> None:
    assert choose_announcement("10.0.0.1:5000", two) is None


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("30s", NOW - MINUTE // 2),
        ("10m", NOW - 10 * MINUTE),
        ("2h", NOW - 120 * MINUTE),
        ("1d", NOW - 1440 * MINUTE),
        ("1970-01-01T00:00:01Z", 1_000_000),
    ],
)
def test_since_is_a_time_ago_or_a_moment(text: str, micros: int) -> None:
    assert parse_since(text, NOW) == micros


@pytest.mark.parametrize("text", ["10", "m", "-1m", "yesterday", "1970-01-01T00:00:01"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_since(text, NOW)
    assert caught.value.field == "--since"
