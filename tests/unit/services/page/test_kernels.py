"""Kernels are compiled for one set of types, whoever calls them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from services.in_process import InProcessAssembler
from services.page.model import PageRequests
from services.warm_up import warm_up
from tests.page_worlds import END

if TYPE_CHECKING:
    from tests.page_worlds import PageWorld
    from timetravel.store import Store

MODULES = (
    "services.assembler.candidates",
    "services.assembler.personal",
    "services.assembler.selection",
    "services.dedup.kernel",
    "services.filtering.kernel",
    "services.page.encoding",
    "services.ranking.kernel",
    "services.ranking.scores",
)


def compiled() -> dict[str, int]:
    kernels = {}
    for name in MODULES:
        for attribute, value in vars(importlib.import_module(name)).items():
            if hasattr(value, "signatures"):
                kernels[f"{name}.{attribute}"] = len(value.signatures)
    return kernels


def test_warming_up_compiles_all_that_pages_need(
    page_world: PageWorld, page_store: Store
) -> None:
    warm_up()
    warm = compiled()
    assert len(warm) > 20
    requests = PageRequests.of([(profile_id, END, "") for profile_id in page_world.profile_ids])
    for reader in (page_world.reader(), page_store.as_of(), page_store.current()):
        InProcessAssembler(reader).assemble(requests)
    assert compiled() == warm
