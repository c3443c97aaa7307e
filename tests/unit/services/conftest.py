"""A world in a real store, and the page services in real servers over it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pytest

from mesh.call.context import CallContext
from mesh.serving import Registration, ServingOptions, connect_without_mesh, start
from services.assembler.client import AssemblerClient
from services.assembler.server import add_assembler
from services.dedup.server import add_dedup
from services.filtering.server import add_filtering
from services.page.configuration import (
    ASSEMBLER_SERVICE,
    DEDUP_SERVICE,
    FILTERING_SERVICE,
    RANKING_SERVICE,
)
from services.ranking.server import add_ranking
from tests.support.pages.page_worlds import END, make_world
from timetravel.database.migrate import upgrade
from timetravel.rpc.server import add_time_travel
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import grpc

    from tests.support.pages.page_worlds import PageWorld
    from timetravel.facts.model import JsonValue

    AddService = Callable[[grpc.Server], None]

TIME_TRAVEL_SERVICE = "pagesim.timetravel.v1.TimeTravelService"


@dataclass(frozen=True)
class PageServices:
    """The running services, reached within one context."""

    snapshot: int
    address: str
    assembler: grpc.Channel
    peers: grpc.Channel

    @property
    def client(self) -> AssemblerClient:
        """Return a client of the assembler."""
        return AssemblerClient(self.assembler, timeout_seconds=60)


class StartServices(Protocol):
    """Starts the page services over the store."""

    def __call__(
        self,
        overlay: Mapping[str, JsonValue] | None = None,
        *,
        pinned: bool = True,
        store: Store | None = None,
    ) -> PageServices: ...


@pytest.fixture(scope="session")
def page_world() -> PageWorld:
    """Return the world that the store holds."""
    return make_world(7, videos=60, profiles=6)


@pytest.fixture(scope="session")
def page_store(
    page_world: PageWorld, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """Return a store that holds the world."""
    path: Path = tmp_path_factory.mktemp("pages") / "store.db"
    url = f"sqlite:///{path}"
    upgrade(url)
    with Store.open(url) as store:
        fill(store, page_world)
        yield store


@pytest.fixture
def start_services(page_store: Store) -> Iterator[StartServices]:
    """Start the page services with a configuration overlay, pinned to the snapshot or not.

    They read the store of the world, unless another is given.
    """
    with ExitStack() as running:

        def serve(services: Mapping[str, AddService]) -> str:
            server = start(
                [Registration(name, add) for name, add in services.items()], ServingOptions()
            )
            running.callback(server.stop, 0)
            return server.address

        def connect(address: str, context: CallContext) -> grpc.Channel:
            channel = connect_without_mesh(address, context)
            running.callback(channel.close)
            return channel

        def start_all(
            overlay: Mapping[str, JsonValue] | None = None,
            *,
            pinned: bool = True,
            store: Store | None = None,
        ) -> PageServices:
            changes, facts_of = overlay or {}, store or page_store
            snapshot = facts_of.snapshot()
            context = CallContext("test", END, snapshot=snapshot if pinned else None)
            time_travel: dict[str, AddService] = {
                TIME_TRAVEL_SERVICE: lambda server: add_time_travel(server, facts_of)
            }
            facts = connect(serve(time_travel), context)
            # The assembler finds all others behind one address, as it does in the mesh.
            others = time_travel | {
                FILTERING_SERVICE: lambda server: add_filtering(server, facts, changes),
                RANKING_SERVICE: lambda server: add_ranking(server, facts, changes),
                DEDUP_SERVICE: lambda server: add_dedup(server, facts, changes),
            }
            peers = connect(serve(others), context)
            address = serve(
                {ASSEMBLER_SERVICE: lambda server: add_assembler(server, peers, changes)}
            )
            return PageServices(snapshot, address, connect(address, context), peers)

        yield start_all


def fill(store: Store, world: PageWorld) -> None:
    """Write a world's facts into a store."""
    with store.begin(END) as writer:
        for group in world.groups:
            writer.register(group)
        writer.append(world.facts, source="test", synthetic=True)
