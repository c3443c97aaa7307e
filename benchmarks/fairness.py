"""One greedy stack beside another, with a share and without: python -m benchmarks.fairness."""

from __future__ import annotations

import tempfile
from pathlib import Path

from mesh.client import MeshProcess
from mesh.topology import Stack
from mesh.xds.resources import SHARED_CALLS
from tests.greedy_load import greed, measure_p99_seconds
from tests.mesh_processes import FIRST, probe_process

GREEDY = Stack("greedy", 1_525_176_000_000_000)
NEIGHBOUR = Stack("neighbour", 1_525_176_000_000_000)
CALLS = 100


def main() -> None:
    """Print the neighbour's p99 alone and beside 10 times the share, for two shares."""
    callers = 10 * SHARED_CALLS
    print(f"{callers} greedy callers; a call takes 50 ms; 16 workers")
    print("share  p99 alone  p99 beside  greedy calls")
    for share in (SHARED_CALLS, 4096):
        with (
            tempfile.TemporaryDirectory() as directory,
            MeshProcess.start(
                [probe_process(FIRST)],
                Path(directory),
                arguments=("--shared-calls", str(share)),
            ) as mesh,
        ):
            mesh.service.create_stack(GREEDY)
            mesh.service.create_stack(NEIGHBOUR)
            alone = measure_p99_seconds(mesh, NEIGHBOUR, FIRST, calls=CALLS)
            with greed(mesh, GREEDY, FIRST, callers=callers) as endings:
                beside = measure_p99_seconds(mesh, NEIGHBOUR, FIRST, calls=CALLS)
        codes = ", ".join(f"{count} {code}" for code, count in endings.codes.items())
        print(f"{share:5}  {alone * 1e3:6.0f} ms  {beside * 1e3:7.0f} ms  {codes}")


if __name__ == "__main__":
    main()
