"""The backends that must all answer alike."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol

import pytest

from mesh.call.context import CallContext
from mesh.serving import Registration, ServingOptions, connect_without_mesh, start
from tests.support.facts.dirty_facts import LARGE, START
from tests.support.facts.upkeep import own_database
from timetravel.database import migrate
from timetravel.rpc.client import TimeTravelClient
from timetravel.rpc.ledger_client import LedgerClient
from timetravel.rpc.server import add_time_travel
from timetravel.segments.directory import SegmentDirectory
from timetravel.segments.reader import SegmentReader
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import grpc

    from timetravel.ledger.ledger import FactLedger
    from timetravel.reading.reader import FactReader


SERVICE = "pagesim.timetravel.v1.TimeTravelService"
LATER = START + 10 * LARGE.span
"""The as-of of calls: nothing is asked of a later moment."""


class Backend(Protocol):
    """Something that keeps facts and answers for the past."""

    store: Store

    def as_of(self, snapshot: int | None, known_by: int | None) -> FactReader:
        """Return a reader of the past."""
        ...

    def ledger(self, snapshot: int | None, known_by: int | None) -> FactLedger:
        """Return a ledger."""
        ...


class SqlBackend:
    """Answers by SQL."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def as_of(self, snapshot: int | None, known_by: int | None) -> FactReader:
        return self.store.as_of(snapshot, known_by)

    def ledger(self, snapshot: int | None, known_by: int | None) -> FactLedger:
        return self.store.ledger(snapshot, known_by)


class PinnedBackend(SqlBackend):
    """Answers what concerns the whole catalogue from memory."""

    def as_of(self, snapshot: int | None, known_by: int | None) -> FactReader:
        pinned = self.store.snapshot() if snapshot is None else snapshot
        return self.store.pinned(pinned, known_by)


class SegmentBackend(SqlBackend):
    """Answers from arrays, written to disk and mapped if there is a folder for them."""

    def __init__(self, store: Store, folder: Path | None = None) -> None:
        super().__init__(store)
        self._directory = None if folder is None else SegmentDirectory(folder)

    def as_of(self, snapshot: int | None, known_by: int | None) -> FactReader:
        pinned = self.store.snapshot() if snapshot is None else snapshot
        if self._directory is not None:
            self._directory.trim(0)
        segment = self.store.segment(pinned, directory=self._directory)
        return SegmentReader(segment, known_by=known_by)


class GrpcBackend:
    """Answers over gRPC, from a server in this process."""

    def __init__(self, store: Store, running: ExitStack) -> None:
        self.store = store
        self._running = running

    def as_of(self, snapshot: int | None, known_by: int | None) -> FactReader:
        return TimeTravelClient(self._channel(snapshot, known_by))

    def ledger(self, snapshot: int | None, known_by: int | None) -> FactLedger:
        return LedgerClient(self._channel(snapshot, known_by))

    def _channel(self, snapshot: int | None, known_by: int | None) -> grpc.Channel:
        # Each example writes other facts under the same numbers, which no real store does,
        # and a server trusts a snapshot never to change: so each example gets a server.
        self._running.close()
        server = start(
            [Registration(SERVICE, lambda server: add_time_travel(server, self.store))],
            ServingOptions(),
        )
        self._running.callback(server.stop, 0.0)
        context = CallContext("contract", LATER, known_by, snapshot)
        channel = connect_without_mesh(server.address, context)
        self._running.callback(channel.close)
        return channel


@pytest.fixture(scope="session")
def sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("contract") / "store.db"
    url = f"sqlite:///{path}"
    migrate.upgrade(url)
    return url


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with own_database() as url:
        migrate.upgrade(url)
        yield url


@pytest.fixture(
    scope="session",
    params=[
        "sqlite",
        pytest.param("postgres", marks=pytest.mark.postgres),
        "pinned",
        "segment",
        pytest.param("segment-of-postgres", marks=pytest.mark.postgres),
        "grpc",
    ],
)
def backend(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Backend]:
    database = "postgres" if "postgres" in request.param else "sqlite"
    with Store.open(request.getfixturevalue(f"{database}_url")) as store:
        if request.param.startswith("segment"):
            on_disk = request.param == "segment"
            folder = tmp_path_factory.mktemp("segments") if on_disk else None
            yield SegmentBackend(store, folder)
            return
        if request.param != "grpc":
            yield PinnedBackend(store) if request.param == "pinned" else SqlBackend(store)
            return
        with ExitStack() as running:
            yield GrpcBackend(store, running)


@pytest.fixture(
    scope="session",
    params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres), "grpc"],
)
def ledger_backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """Return those backends that answer for the record each in a way of their own."""
    database = "postgres" if request.param == "postgres" else "sqlite"
    with Store.open(request.getfixturevalue(f"{database}_url")) as store, ExitStack() as stack:
        yield GrpcBackend(store, stack) if request.param == "grpc" else SqlBackend(store)


@pytest.fixture(
    scope="session", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
)
def store_url(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(scope="session")
def store(store_url: str) -> Iterator[Store]:
    with Store.open(store_url) as opened:
        yield opened
