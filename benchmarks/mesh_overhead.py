"""What a hop through Envoy costs: python -m benchmarks.mesh_overhead.

The same server is called directly and through the mesh, one call at a time, in turns within one
run, so that both see the same machine. A server that does nothing has the largest ratios that
there can be; one that works for a millisecond is more like ours. Exits with 1 if a median is
more than 1.5 times the direct one.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from benchmarks.mesh_echo import METHOD, SERVICE, WORK_HEADER
from mesh.call.context import use_context
from mesh.client.mesh_process import MeshProcess
from mesh.security.call_origin import CALL_SECRET_VARIABLE
from mesh.serving import connect, connect_without_mesh
from mesh.topology.service_process import ServiceProcess
from mesh.topology.stack import Stack

if TYPE_CHECKING:
    import grpc

    Echo = grpc.UnaryUnaryMultiCallable[bytes, bytes]

CASES = {
    "100 B": (100, 0),
    "256 KB": (256 << 10, 0),
    "100 B, 1 ms of work": (100, 1000),
    "256 KB, 1 ms of work": (256 << 10, 1000),
}
"""Bytes of the message, and microseconds that the server works."""

LIMIT_RATIO = 1.5
STACK = Stack("overhead", 1_525_176_000_000_000, snapshot=7)
_WARM_UP_CALLS = 200
_TURN_CALLS = 20


@dataclass(frozen=True)
class Outcome:
    """Seconds of each call of one case, directly and through Envoy."""

    direct: list[float]
    through: list[float]

    @property
    def ratio(self) -> float:
        """How many times longer the median call takes."""
        return statistics.median(self.through) / statistics.median(self.direct)


def measure(direct: Echo, through: Echo, size: int, work: int, calls: int) -> Outcome:
    """Call both in turns."""
    message = bytes(size)
    for echo in (direct, through):
        _time_calls(echo, message, work, _WARM_UP_CALLS)
    outcome = Outcome([], [])
    for turn in range(calls // _TURN_CALLS):
        order = [(direct, outcome.direct), (through, outcome.through)]
        for echo, seconds in order if turn % 2 else reversed(order):
            seconds.extend(_time_calls(echo, message, work, _TURN_CALLS))
    return outcome


def _time_calls(echo: Echo, message: bytes, work: int, calls: int) -> list[float]:
    seconds = []
    asked = ((WORK_HEADER, str(work)),)
    for _ in range(calls):
        began = time.perf_counter()
        echo(message, metadata=asked)
        seconds.append(time.perf_counter() - began)
    return seconds


def run(calls: int) -> dict[str, Outcome]:
    """Measure each case on a mesh of its own."""
    echo = ServiceProcess(SERVICE, "benchmarks.mesh_echo")
    with (
        tempfile.TemporaryDirectory() as folder,
        MeshProcess.start([echo], Path(folder)) as mesh,
    ):
        mesh.service.create_stack(STACK)
        (endpoint,) = mesh.service.get_mesh().baseline
        with (
            use_context(STACK.context),
            connect_without_mesh(
                str(endpoint.address),
                STACK.context,
                call_secret=psutil.Process(endpoint.process_id).environ()[CALL_SECRET_VARIABLE],
            ) as direct,
            connect(mesh.address) as through,
        ):
            return {
                name: measure(
                    direct.unary_unary(METHOD), through.unary_unary(METHOD), size, work, calls
                )
                for name, (size, work) in CASES.items()
            }


def main() -> int:
    """Print a table; return 1 if a ratio is over the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2000, help="of each case, each way")
    outcomes = run(parser.parse_args().calls)
    print(
        "| message | direct p50 | through Envoy p50 | more | ratio | direct p99 | Envoy p99 |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, outcome in outcomes.items():
        direct, through = (
            [1000 * point for point in statistics.quantiles(seconds, n=100)]
            for seconds in (outcome.direct, outcome.through)
        )
        print(
            f"| {name} | {direct[49]:.2f} ms | {through[49]:.2f} ms "
            f"| +{through[49] - direct[49]:.2f} ms | x{outcome.ratio:.2f} "
            f"| {direct[98]:.2f} ms | {through[98]:.2f} ms |"
        )
    over = [name for name, outcome in outcomes.items() if outcome.ratio > LIMIT_RATIO]
    if over:
        print(f"\nOver x{LIMIT_RATIO}: {', '.join(over)}.")
    return int(bool(over))


if __name__ == "__main__":
    sys.exit(main())
