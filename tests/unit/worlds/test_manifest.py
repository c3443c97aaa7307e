"""What a world says of itself."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from timetravel.facts.external_ids import IdForm
from worlds.errors import MalformedWorld
from worlds.manifest import Manifest, read_manifest

if TYPE_CHECKING:
    from pathlib import Path


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path, manifest: Manifest) -> None:
    full = replace(
        manifest,
        counts={"events": 3},
        digests={"a": "b"},
        remarks=("mind é",),
        ids=IdForm.TEXTS,
    )
    path = tmp_path / "world.json"
    path.write_text(full.to_json(), encoding="utf-8")
    assert read_manifest(path) == full


def test_worlds_that_differ_have_different_ids(manifest: Manifest) -> None:
    changes: tuple[dict[str, Any], ...] = (
        {"seed": 2},
        {"digests": {"a": "b"}},
        {"ids": IdForm.TEXTS},
    )
    others = [replace(manifest, **change) for change in changes]
    assert len({world.world_id for world in (manifest, *others)}) == 4


def test_that_entities_have_numbers_goes_without_saying(manifest: Manifest) -> None:
    assert "ids" not in json.loads(manifest.to_json())


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"since_micros": 2**60}, "until"),
        ({"countries": ()}, "countries"),
        ({"countries": ("US", "DE")}, "countries"),
        ({"genres": ("Drama", "Drama")}, "genres"),
        ({"genres": ()}, "genres"),
        ({"eras": (2000, 1990)}, "eras"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(
    manifest: Manifest, change: dict[str, Any], field: str
) -> None:
    with pytest.raises(MalformedWorld) as caught:
        replace(manifest, **change)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("format", 2),
        ("seed", "one"),
        ("counts", {"events": -0.5}),
        ("video_grid_micros", 0),
        ("ids", "names"),
        ("unheard_of", 1),
    ],
)
def test_a_file_of_another_format_is_refused_by_the_name_of_the_field(
    tmp_path: Path, manifest: Manifest, name: str, value: object
) -> None:
    path = tmp_path / "world.json"
    path.write_text(json.dumps(json.loads(manifest.to_json()) | {name: value}), "utf-8")
    with pytest.raises(MalformedWorld) as caught:
        read_manifest(path)
    assert caught.value.field.startswith(name)


def test_a_file_that_is_no_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "world.json"
    path.write_text("{", encoding="utf-8")
    with pytest.raises(MalformedWorld, match=r"world\.json"):
        read_manifest(path)
