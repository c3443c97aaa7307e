"""Load that shows whether one stack can take the baseline away from another.

The greedy stack calls from a process of its own, as another experiment would: within one
interpreter its threads would slow the neighbour's, whatever the mesh does.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc

from mesh.context import use_context
from mesh.serving import connect
from mesh.topology import Stack
from tests.mesh_probe import ProbeClient, Question

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mesh.client import MeshProcess

CALL = Question(sleep_seconds=0.05)
_PAUSE_SECONDS = 0.05


@dataclass(slots=True)
class Endings:
    """How the calls of the greedy stack ended; filled in at the end of its block."""

    codes: Counter[str] = field(default_factory=Counter)
    details: set[str] = field(default_factory=set)


@contextmanager
def greed(mesh: MeshProcess, stack: Stack, service: str, *, callers: int) -> Iterator[Endings]:
    """Keep so many calls of the stack under way during the block."""
    endings = Endings()
    command = [
        *(sys.executable, "-m", "tests.greedy_load", mesh.address, stack.stack_id),
        *(str(stack.as_of_micros), service, str(callers)),
    ]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as greedy:
        assert greedy.stdout is not None
        assert greedy.stdout.readline() == "going\n"
        try:
            yield endings
        finally:
            said, _ = greedy.communicate()
            told = json.loads(said)
            endings.codes.update(told["codes"])
            endings.details.update(told["details"])


def measure_p99_seconds(mesh: MeshProcess, stack: Stack, service: str, *, calls: int) -> float:
    """Return the 99th percentile of the latency of calls one after the other."""
    latencies = []
    with connect(mesh.address) as channel, use_context(stack.context):
        client = ProbeClient(channel, service)
        client.ask(CALL)
        for _ in range(calls):
            started = time.perf_counter()
            client.ask(CALL)
            latencies.append(time.perf_counter() - started)
    return sorted(latencies)[int(0.99 * (calls - 1))]


def main() -> None:
    """Call until standard input ends, then tell how the calls ended."""
    address, stack_id, as_of, service, callers = sys.argv[1:]
    stack, stopped, endings = Stack(stack_id, int(as_of)), threading.Event(), Endings()

    def call_on(client: ProbeClient) -> None:
        with use_context(stack.context):
            while not stopped.is_set():
                try:
                    client.ask(CALL)
                    endings.codes["OK"] += 1
                except grpc.RpcError as error:
                    endings.codes[error.code().name] += 1
                    endings.details.add(error.details() or "")
                    stopped.wait(_PAUSE_SECONDS)

    with connect(address) as channel, ThreadPoolExecutor(int(callers)) as executor:
        client = ProbeClient(channel, service)
        calling = [executor.submit(call_on, client) for _ in range(int(callers))]
        time.sleep(5 * _PAUSE_SECONDS)
        sys.stdout.write("going\n")
        sys.stdout.flush()
        sys.stdin.read()
        stopped.set()
        for one in calling:
            one.result()
    json.dump({"codes": endings.codes, "details": sorted(endings.details)}, sys.stdout)


if __name__ == "__main__":
    main()
