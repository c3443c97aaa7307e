"""Small worlds for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from core.moments import parse_moment
from timetravel.facts.external_ids import IdForm
from worlds.manifest import Manifest
from worlds.synthetic import SyntheticPlan, generate_world

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def manifest() -> Manifest:
    """Return the manifest of a small world."""
    return Manifest(
        source="synthetic",
        synthetic=True,
        seed=1,
        since_micros=parse_moment("2024-01-01"),
        until_micros=parse_moment("2024-02-01"),
        countries=("DE", "US"),
        genres=("Comedy", "Drama"),
        eras=(1990, 2000),
        video_grid_micros=86_400_000_000,
        profile_grid_micros=600_000_000,
    )


@pytest.fixture(scope="session")
def tiny_plan() -> SyntheticPlan:
    """Return the plan of a world that is quickly made."""
    return SyntheticPlan(profiles=25, videos=90, days=14, seed=5, countries=("US", "DE"))


@pytest.fixture(scope="session")
def tiny_world(tiny_plan: SyntheticPlan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a tiny synthetic world; do not change it."""
    path = tmp_path_factory.mktemp("worlds") / "tiny"
    generate_world(tiny_plan, path)
    return path


@pytest.fixture(scope="session")
def tiny_world_of_texts(
    tiny_plan: SyntheticPlan, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return the directory of the tiny world whose entities have texts; do not change it."""
    path = tmp_path_factory.mktemp("worlds") / "texts"
    generate_world(tiny_plan, path, ids=IdForm.TEXTS)
    return path
