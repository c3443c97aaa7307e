"""A stack that asks for ten times its share is held to it, and its neighbours are served."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mesh.client import MeshProcess
from mesh.errors import InvalidInput
from mesh.topology import Stack
from mesh.xds.resources import SHARED_CALLS
from tests.greedy_load import greed, measure_p99_seconds
from tests.mesh_processes import FIRST, probe_process

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

GREEDY = Stack("greedy", 1_525_176_000_000_000)
NEIGHBOUR = Stack("neighbour", 1_525_176_000_000_000)
CALLERS = 10 * SHARED_CALLS


def test_a_greedy_stack_is_refused_and_its_neighbour_is_not_slowed(tmp_path: Path) -> None:
    with (
        MeshProcess.start([probe_process(FIRST)], tmp_path / "fair") as fair,
        MeshProcess.start(
            [probe_process(FIRST)], tmp_path / "unfair", arguments=("--shared-calls", "4096")
        ) as unfair,
    ):
        for mesh in (fair, unfair):
            mesh.service.create_stack(GREEDY)
            mesh.service.create_stack(NEIGHBOUR)
        alone = measure_p99_seconds(fair, NEIGHBOUR, FIRST, calls=150)
        with greed(fair, GREEDY, FIRST, callers=CALLERS) as held:
            beside = measure_p99_seconds(fair, NEIGHBOUR, FIRST, calls=150)
        with greed(unfair, GREEDY, FIRST, callers=CALLERS) as free:
            starved = measure_p99_seconds(unfair, NEIGHBOUR, FIRST, calls=40)
    assert beside < 2 * alone
    assert starved > 2 * beside
    assert set(free.codes) == {"OK"}
    assert set(held.codes) == {"OK", "UNAVAILABLE"}
    assert all("overflow" in detail for detail in held.details)


def test_a_share_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="--shared-calls: 0 calls"):
        MeshProcess.start([], tmp_path, arguments=("--shared-calls", "0"))
