"""Loads files into a fresh SQLite store, in this process."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from experiments.ingest.loading import Loader, Report
from experiments.ingest.mapping.mapping import load_mapping
from experiments.ingest.plan import make_plan
from tests.support.facts.ingest_service import NOW, register_groups
from timetravel.database import migrate
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


class Load(Protocol):
    """Loads files; the mapping is text."""

    def __call__(
        self,
        files: Sequence[Path],
        kind: str,
        mapping: str,
        *,
        stream: str | None = None,
        known_at: str | None = None,
        rejects: Path | None = None,
        is_dry: bool = False,
        records_per_chunk: int = 100,
        advance: Callable[[int], None] = lambda _: None,
    ) -> Report:
        """Return what became of them."""
        ...


@pytest.fixture(scope="session")
def store_with_groups(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "store.db"
    migrate.upgrade(f"sqlite:///{path}")
    with Store.open(f"sqlite:///{path}") as opened:
        register_groups(opened)
    return path


@pytest.fixture
def new_store(store_with_groups: Path, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Make stores of their own."""
    opened: list[Store] = []

    def make() -> Store:
        path = tmp_path / f"store-{len(opened)}.db"
        shutil.copy(store_with_groups, path)
        opened.append(Store.open(f"sqlite:///{path}"))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def store(new_store: Callable[[], Store]) -> Store:
    return new_store()


@pytest.fixture
def load_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Store], Load]:
    """Return how files are loaded into a store."""
    monkeypatch.chdir(tmp_path)

    def into(store: Store) -> Load:
        def load(
            files: Sequence[Path],
            kind: str,
            mapping: str,
            *,
            stream: str | None = None,
            known_at: str | None = None,
            rejects: Path | None = None,
            is_dry: bool = False,
            records_per_chunk: int = 100,
            advance: Callable[[int], None] = lambda _: None,
        ) -> Report:
            Path("mapping.yaml").write_text(mapping, encoding="utf-8")
            loaded = load_mapping(Path("mapping.yaml"), kind)
            registry = store.registry()
            plan = make_plan(files, loaded, registry, stream=stream, known_at=known_at)
            loader = Loader(
                store,
                plan,
                now_micros=lambda: NOW,
                records_per_chunk=records_per_chunk,
                is_dry=is_dry,
            )
            return loader.load(rejects, advance)

        return load

    return into


@pytest.fixture
def load(load_into: Callable[[Store], Load], store: Store) -> Load:
    return load_into(store)
