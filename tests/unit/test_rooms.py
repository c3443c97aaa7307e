"""Packages say what is in them, and no room is crowded."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
PACKAGES = ("core", "experiments", "mesh", "services", "timetravel", "worlds")
ROOMS = sorted(
    path.parent for package in PACKAGES for path in (ROOT / package).rglob("__init__.py")
)
ENTRIES = re.compile(r"^- ((?:`[\w/]+`(?:, )?)+):", re.MULTILINE)
MODULES_PER_ROOM = 12


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def description(package: Path) -> str:
    return ast.get_docstring(ast.parse((package / "__init__.py").read_text())) or ""


def listed(package: Path) -> list[str]:
    found = ENTRIES.findall(description(package))
    return [name for names in found for name in re.findall(r"`([\w/]+)`", names)]


def modules(package: Path) -> list[str]:
    return sorted(path.stem for path in package.glob("*.py") if path.stem != "__init__")


def rooms(package: Path) -> list[str]:
    return sorted(f"{path.parent.name}/" for path in package.glob("*/__init__.py"))


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_of_each_room_and_module_what_it_is_for(package: str) -> None:
    assert sorted(listed(ROOT / package)) == sorted(
        [*modules(ROOT / package), *rooms(ROOT / package)]
    )


@pytest.mark.parametrize("room", ROOMS, ids=named)
def test_a_room_says_what_it_is_for(room: Path) -> None:
    assert description(room)
    assert set(listed(room)) <= {*modules(room), *rooms(room)}


@pytest.mark.parametrize("room", ROOMS, ids=named)
def test_a_crowded_room_says_why(room: Path) -> None:
    crowded = len({*modules(room)} - {"__main__"}) > MODULES_PER_ROOM
    assert crowded == ("more than a dozen modules" in description(room))


@pytest.mark.parametrize("package", PACKAGES)
def test_rooms_are_listed_from_the_ground_up(package: str) -> None:
    contracts = [one for one in CONTRACTS["contracts"] if one.get("containers") == [package]]
    layers = [layer.split(" | ") for one in contracts for layer in reversed(one["layers"])]
    floor = {name: level for level, names in enumerate(layers) for name in names}
    names = [name.rstrip("/") for name in listed(ROOT / package)]
    assert names == sorted(names, key=lambda name: floor.get(name, 0))
