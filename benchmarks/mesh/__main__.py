"""Is every call answered by its stack, at its moment, whatever dies?

    python -m benchmarks.mesh [--rpcs N] [--seed N]

First chaos (see `chaos`), then a mesh of 300 stacks (see `scale`). The exit code is 1 if a
call went wrong. Times depend on the machine; counts do not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.mesh import scale
from benchmarks.mesh.chaos import Chaos, chaos_baseline
from mesh.client.mesh_process import MeshProcess


def main() -> int:
    """Run the benchmark; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rpcs", type=int, default=1_000_000, help="calls under chaos")
    parser.add_argument("--seed", type=int, default=20_180_501, help="of the order of deeds")
    parser.add_argument("--away-seconds", type=float, default=30.0, help="no control plane")
    parser.add_argument("--kill-seconds", type=float, default=30.0, help="killing replicas")
    namespace = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pagesim-bench-") as directory:
        wrong = run_chaos(Path(directory, "chaos"), namespace.rpcs, namespace.seed)
        wrong += run_scale(
            Path(directory, "scale"), namespace.away_seconds, namespace.kill_seconds
        )
    return 1 if wrong else 0


def run_chaos(directory: Path, rpcs: int, seed: int) -> int:
    """Print what came of chaos; return how many calls went wrong."""
    with MeshProcess.start(chaos_baseline(), directory) as mesh:
        started = time.monotonic()
        tally = Chaos(mesh, seed=seed).run(rpcs)
        seconds = time.monotonic() - started
    print(f"chaos               {seconds:.0f} s, {dict(tally.deeds)}")
    print(f"  RPCs              {tally.rpcs}")
    print(f"  wrong stack       {tally.wrong_stack}")
    print(f"  wrong as-of       {tally.wrong_as_of}")
    print(f"  failed, healthy   {tally.failed}")
    print(f"  failed, leaving   {tally.departed}  (their stack was being removed)")
    for problem in tally.told:
        print(f"    {problem}")
    return tally.wrong_stack + tally.wrong_as_of + tally.failed


def run_scale(directory: Path, away_seconds: float, kill_seconds: float) -> int:
    """Print what came of 300 stacks; return how many calls went wrong."""
    with MeshProcess.start(chaos_baseline(), directory) as mesh:
        scale.fill(mesh)
        times = scale.measure_ready_milliseconds(mesh, 50)
        print(f"{scale.PRESENT} stacks")
        print(
            f"  healthy to ready  p50 {scale.quantile(times, 50):.1f} ms, "
            f"p95 {scale.quantile(times, 95):.1f} ms"
        )
        print(f"  Envoy's memory    {scale.measure_envoy_megabytes(mesh):.0f} MB")
        away, kept = scale.keep_control_plane_away(mesh, away_seconds)
        print(
            f"  no control plane  {away_seconds:.0f} s: {away.answered} calls answered, "
            f"{away.failed} failed; Envoy's configuration {'the same' if kept else 'CHANGED'}"
        )
        killed, kills = scale.kill_one_of_two(mesh, kill_seconds)
        print(
            f"  one of two dies   {kills} times in {kill_seconds:.0f} s: "
            f"{killed.answered} calls answered, {killed.failed} failed"
        )
    return away.failed + killed.failed + (not kept)


if __name__ == "__main__":
    sys.exit(main())
