"""Whatever is killed, every call of a live stack is answered, by that stack, at its moment.

Every day test_recovery.py kills control planes and test_stacks.py replicas under calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.mesh.chaos import Chaos, chaos_baseline
from mesh.client.mesh_process import MeshProcess

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.long]

RPCS = 50_000


def test_no_call_goes_wrong_while_everything_is_killed(tmp_path: Path) -> None:
    with MeshProcess.start(chaos_baseline(), tmp_path) as mesh:
        tally = Chaos(mesh, seed=20180501).run(RPCS)
    assert tally.rpcs >= RPCS
    assert (tally.wrong_stack, tally.wrong_as_of, tally.failed) == (0, 0, 0), tally.told
    assert set(tally.deeds) == {"stacks replaced", "replicas killed", "control planes killed"}
