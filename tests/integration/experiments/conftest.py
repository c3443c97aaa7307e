"""Stores that were lived forward, for experiments on them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.support.commands import check_invoked

if TYPE_CHECKING:
    from collections.abc import Callable

BESIDE_THE_REPOSITORY = Path(__file__).parents[4] / "shared" / "data" / "ml-latest-small"


@pytest.fixture(scope="session")
def lived_store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small synthetic world, lived to its end; its store."""
    directory = tmp_path_factory.mktemp("lived")
    sizes = ("--profiles", 40, "--videos", 200, "--days", 20, "--seed", 3)
    check_invoked("world", "generate", "--world", directory / "world", *sizes)
    url = f"sqlite:///{directory / 'store.db'}"
    check_invoked("db", "upgrade", "--store", url)
    check_invoked("world", "live", "--world", directory / "world", "--store", url)
    return url


@pytest.fixture(scope="session")
def movielens_source() -> Path:
    """The unpacked MovieLens release, where there is one."""
    named = os.environ.get("PAGESIM_MOVIELENS_DIR")
    source = Path(named) if named else BESIDE_THE_REPOSITORY
    if not (source / "ratings.csv").is_file():
        pytest.skip(f"there is no MovieLens release at {source}; set PAGESIM_MOVIELENS_DIR")
    return source


@pytest.fixture
def write_experiment(tmp_path: Path) -> Callable[..., Path]:
    """Write an experiment file and return where it is."""

    def write(**changes: object) -> Path:
        document: dict[str, object] = {
            "experiment": "trial",
            "seed": 7,
            "scope": {
                "source": "logged_pages",
                "profiles": 12,
                "pages_per_profile": 2,
                "strata": ["country"],
            },
            "slices": 2,
            "variants": [
                {"name": "control"},
                {
                    "name": "popular-first",
                    "configuration": {"ranking": {"model": "popularity"}},
                },
            ],
            **changes,
        }
        path = tmp_path / "experiment.yaml"
        path.write_text(yaml.safe_dump(document, sort_keys=False))
        return path

    return write
