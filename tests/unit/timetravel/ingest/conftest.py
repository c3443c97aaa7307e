"""A fresh SQLite store for each test, with feature groups."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.facts.ingest_service import register_groups
from timetravel.database import migrate
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def store_with_groups(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ingest") / "store.db"
    migrate.upgrade(f"sqlite:///{path}")
    with Store.open(f"sqlite:///{path}") as opened:
        register_groups(opened)
    return path


@pytest.fixture
def store(tmp_path: Path, store_with_groups: Path) -> Iterator[Store]:
    shutil.copy(store_with_groups, tmp_path / "store.db")
    with Store.open(f"sqlite:///{tmp_path / 'store.db'}") as opened:
        yield opened
