"""A fresh SQLite store for each test, with feature groups."""

from __future__ import annotations

import itertools
import shutil
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.support.facts.ingest_service import register_groups
from timetravel.database import migrate
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def store_with_groups(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ingest") / "store.db"
    migrate.upgrade(f"sqlite:///{path}")
    with Store.open(f"sqlite:///{path}") as opened:
        register_groups(opened)
    return path


@pytest.fixture
def new_store(tmp_path: Path, store_with_groups: Path) -> Iterator[Callable[[], Store]]:
    """Make stores of their own; the first is `store.db`."""
    with ExitStack() as opened:

        def make() -> Store:
            names = (f"store{number or ''}.db" for number in itertools.count())
            path = next(path for path in map(tmp_path.joinpath, names) if not path.exists())
            shutil.copy(store_with_groups, path)
            return opened.enter_context(Store.open(f"sqlite:///{path}"))

        yield make


@pytest.fixture
def store(new_store: Callable[[], Store]) -> Store:
    return new_store()
