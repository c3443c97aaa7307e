"""Kernels are compiled for one set of types, whoever calls them."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from services.in_process import InProcessAssembler
from services.page.model import PageRequests
from services.warm_up import warm_up
from tests.support.pages.page_worlds import END

if TYPE_CHECKING:
    from tests.support.pages.page_worlds import PageWorld
    from timetravel.store import Store

MODULES = (
    "services.assembler.rows.candidates",
    "services.assembler.rows.personal",
    "services.assembler.rows.selection",
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


@pytest.mark.integration
@pytest.mark.parametrize("service", ["assembler", "dedup", "filtering", "ranking"])
def test_a_service_loads_no_stage_but_its_own(service: str) -> None:
    script = f"import services.{service}.__main__, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    ).stdout.split()
    stages = {name for name in loaded if re.fullmatch(r"services\.\w+\.stage", name)}
    assert stages == {f"services.{service}.stage"}
    assert "services.in_process" not in loaded


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
