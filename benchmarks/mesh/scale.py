"""A mesh of 300 stacks: how long one more takes, and a control plane that stays away."""

from __future__ import annotations

import json
import os
import signal
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
import psutil

from benchmarks.mesh.admin import read_configuration
from benchmarks.mesh.victims import Victims
from mesh.call.context import CallContext, use_context
from mesh.client.mesh_process import LOG
from mesh.serving import connect
from mesh.topology.stack import Stack
from tests.support.mesh.probe import ProbeClient, Question
from tests.support.mesh.processes import FIRST, SECOND, children_named, probe_process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mesh.client.mesh_process import MeshProcess

PRESENT = 300

_CALLERS = 4
_DAY_MICROS = 86_400_000_000
_LOOK_SECONDS = 0.02
_MEGABYTE = 1 << 20


@dataclass(slots=True)
class Calls:
    """What came of the calls made all the while."""

    answered: int = 0
    failed: int = 0


def scale_stack(number: int) -> Stack:
    """Return one of the stacks."""
    return Stack(f"scale-{number}", (number + 1) * _DAY_MICROS)


def fill(mesh: MeshProcess) -> None:
    """Create the stacks that are present."""
    with ThreadPoolExecutor(4) as creating:
        list(creating.map(mesh.service.create_stack, map(scale_stack, range(PRESENT))))


def measure_ready_milliseconds(mesh: MeshProcess, stacks: int) -> list[float]:
    """Create and delete stacks one by one; return the times from healthy to ready."""
    for number in range(stacks):
        stack = Stack(f"measured-{number}", _DAY_MICROS)
        mesh.service.create_stack(stack)
        mesh.service.delete_stack(stack.stack_id)
    said = (json.loads(line) for line in _log_lines(mesh) if '"stack_ready"' in line)
    return [one["seconds"] * 1e3 for one in said if one["stack"].startswith("measured-")]


def measure_envoy_megabytes(mesh: MeshProcess) -> float:
    """Return Envoy's resident memory."""
    (envoy,) = children_named(mesh.process_id, "--config-path")
    return psutil.Process(envoy).memory_info().rss / _MEGABYTE


def keep_control_plane_away(mesh: MeshProcess, seconds: float) -> tuple[Calls, bool]:
    """Kill it whenever it comes back; return what came of calls, and if Envoy kept all."""
    before = read_configuration(mesh.directory)
    with calling(mesh, [scale_stack(number) for number in range(PRESENT)]) as calls:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for process_id in children_named(mesh.process_id, "mesh.control.process"):
                with suppress(ProcessLookupError):
                    os.kill(process_id, signal.SIGKILL)
            time.sleep(_LOOK_SECONDS)
        present = len(mesh.service.list_stacks())
        kept = present == PRESENT and read_configuration(mesh.directory) == before
    mesh.service.create_stack(Stack("afterwards", _DAY_MICROS))
    mesh.service.delete_stack("afterwards")
    return calls, kept


def kill_one_of_two(mesh: MeshProcess, seconds: float) -> tuple[Calls, int]:
    """Kill one replica of two every few seconds; return what came of calls, and the kills."""
    stack = Stack("pair", _DAY_MICROS, overrides=(probe_process(SECOND, replicas=2),))
    mesh.service.create_stack(stack)
    victims = Victims(mesh)
    kills = 0
    with calling(mesh, [stack]) as calls:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.5)
            chosen = [one for one in victims.choose() if one.stack_id == "pair"]
            kills += bool(chosen) and victims.kill(chosen[kills % 2])
    mesh.service.delete_stack("pair")
    return calls, kills


@contextmanager
def calling(mesh: MeshProcess, stacks: list[Stack]) -> Iterator[Calls]:
    """Call the stacks, each in its turn, for as long as the block lasts."""
    calls = Calls()
    ended = threading.Event()
    lock = threading.Lock()

    def call(number: int) -> None:
        with connect(mesh.address) as channel:
            client = ProbeClient(channel, FIRST)
            turn = number
            while not ended.is_set():
                turn += 1
                answered = _ask(client, stacks[turn % len(stacks)].context)
                with lock:
                    calls.answered += answered
                    calls.failed += not answered

    with ThreadPoolExecutor(_CALLERS) as executor:
        callers = [executor.submit(call, number) for number in range(_CALLERS)]
        try:
            yield calls
        finally:
            ended.set()
        for caller in callers:
            caller.result()


def _ask(client: ProbeClient, context: CallContext) -> bool:
    with use_context(context):
        try:
            answer = client.ask(Question(path=(SECOND,)), timeout=60)
        except grpc.RpcError:
            return False
    return {hop.headers["x-pagesim-stack"] for hop in answer.hops} == {context.stack}


def _log_lines(mesh: MeshProcess) -> list[str]:
    return (mesh.directory / LOG).read_text().splitlines()


def quantile(values: list[float], percent: int) -> float:
    """Return a percentile."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
