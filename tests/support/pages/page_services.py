"""The services that make pages, over a store of a page world."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from mesh.topology.service_process import ServiceProcess
from services.page.configuration import (
    ASSEMBLER_SERVICE,
    DEDUP_SERVICE,
    FILTERING_SERVICE,
    RANKING_SERVICE,
)
from tests.support.pages.page_worlds import END
from timetravel.database.migrate import upgrade
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.pages.page_worlds import PageWorld

MODULES: Final = {
    ASSEMBLER_SERVICE: "services.assembler",
    DEDUP_SERVICE: "services.dedup",
    FILTERING_SERVICE: "services.filtering",
    RANKING_SERVICE: "services.ranking",
}
"""What runs each page service."""


@contextmanager
def open_world_store(world: PageWorld, path: Path) -> Iterator[Store]:
    """Give a new store of a world, in a file."""
    url = f"sqlite:///{path}"
    upgrade(url)
    with Store.open(url) as opened:
        with opened.begin(END) as writer:
            for group in world.groups:
                writer.register(group)
            writer.append(
                world.facts,
                source="test",
                synthetic=True,
                external_ids=world.external_ids,
            )
        yield opened


def page_baseline(store: Store) -> list[ServiceProcess]:
    """Return the processes of a baseline that makes pages from a store."""
    return [
        ServiceProcess(
            "pagesim.timetravel.v1.TimeTravelService", "timetravel", ("--store", store.url)
        ),
        *(ServiceProcess(service, module) for service, module in MODULES.items()),
    ]
