"""Calls without end, while stacks come and go and whatever may die is killed with SIGKILL.

64 stacks at 64 moments; each of two services is overridden by three of them. Every answer is
checked, hop by hop: the process that gave it, the stack and the as-of that it was given. Each
hop is a call through Envoy of its own. A call counts as one to a healthy stack when the stack
was there before the call, and neither removed nor asked to be removed before it ended.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc
import numpy as np

from benchmarks.mesh.victims import Victims
from core.moments import format_moment
from mesh.call.context import AS_OF_HEADER, STACK_HEADER, use_context
from mesh.serving import connect
from mesh.topology.stack import Stack
from tests.support.mesh.probe import ProbeClient, Question
from tests.support.mesh.processes import FIRST, SECOND, find_control_plane, probe_process

if TYPE_CHECKING:
    from collections.abc import Callable

    from mesh.client.mesh_process import MeshProcess
    from mesh.topology.service_process import ServiceProcess
    from tests.support.mesh.probe import Answer

SERVICES = (FIRST, SECOND)
STACKS = 64
REPLICAS = 2

_OVERRIDES_EACH = 3
_THREADS = 12
_CHANNELS = 4
_SLOTS_THAT_STAY = 8  # with overrides; all others come and go
_DAY_MICROS = 86_400_000_000
_TOLD_FAILURES = 5


def chaos_baseline() -> list[ServiceProcess]:
    """Return the baseline that chaos needs."""
    return [probe_process(one, name="baseline", replicas=REPLICAS) for one in SERVICES]


@dataclass(slots=True)
class Tally:
    """What came of the calls.

    Attributes:
        rpcs: Calls whose answer was checked, inner ones included.
        wrong_stack: Of these, answered by or for another stack.
        wrong_as_of: Of these, at another moment.
        failed: Calls to healthy stacks that failed.
        departed: Calls that failed because their stack was being removed.
        deeds: What was killed, created and deleted, by kind.
        told: The first failures, in words.
    """

    rpcs: int = 0
    wrong_stack: int = 0
    wrong_as_of: int = 0
    failed: int = 0
    departed: int = 0
    deeds: Counter[str] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)

    def tell(self, problem: str) -> None:
        """Keep the words of the first failures."""
        if len(self.told) < _TOLD_FAILURES:
            self.told.append(problem)


@dataclass(slots=True)
class _Slot:
    """One of the places that stacks come to and go from."""

    number: int
    overridden: str
    stack: Stack | None = None
    moments: int = 0

    def next_stack(self) -> Stack:
        self.moments += 1
        stack_id = f"chaos-{self.number}"
        overrides = (
            (probe_process(self.overridden, name=stack_id, replicas=REPLICAS),)
            if self.overridden
            else ()
        )
        # No two stacks ever have the same moment.
        as_of_micros = (self.number + STACKS * self.moments) * _DAY_MICROS
        return Stack(stack_id, as_of_micros, overrides=overrides)


class Chaos:
    """Run chaos in a mesh.

    Args:
        mesh: The mesh; its baseline is `chaos_baseline()`.
        seed: What the order of deeds is drawn from.
    """

    def __init__(self, mesh: MeshProcess, *, seed: int) -> None:
        self._mesh = mesh
        self._seed = seed
        self._lock = threading.Lock()
        self._ended = threading.Event()
        overridden = [one for one in SERVICES for _ in range(_OVERRIDES_EACH)]
        overridden += [""] * (STACKS - len(overridden))
        self._slots = [_Slot(number, one) for number, one in enumerate(overridden)]
        self._victims = Victims(mesh)
        self.tally = Tally()

    def run(self, rpcs: int) -> Tally:
        """Make so many calls; return what came of them."""
        with ThreadPoolExecutor(8) as creating:
            list(creating.map(self._create, self._slots))
        deeds: list[tuple[float, Callable[[np.random.Generator], None]]] = [
            (0.2, self._replace_stack),
            (2.0, self._kill_replica),
            (7.0, self._kill_control_plane),
        ]
        channels = [connect(self._mesh.address) for _ in range(_CHANNELS)]
        try:
            with ThreadPoolExecutor(_THREADS + len(deeds)) as executor:
                callers = [
                    executor.submit(self._call, channels[number % _CHANNELS], number, rpcs)
                    for number in range(_THREADS)
                ]
                doers = [
                    executor.submit(self._do, pause_seconds, deed, number)
                    for number, (pause_seconds, deed) in enumerate(deeds)
                ]
                try:
                    for caller in callers:
                        caller.result()
                finally:
                    self._ended.set()
                for doer in doers:
                    doer.result()
        finally:
            for channel in channels:
                channel.close()
        return self.tally

    def _create(self, slot: _Slot) -> None:
        stack = slot.next_stack()
        self._mesh.service.create_stack(stack)
        slot.stack = stack

    def _do(
        self, pause_seconds: float, deed: Callable[[np.random.Generator], None], number: int
    ) -> None:
        drawn = np.random.default_rng([self._seed, 1, number])
        while not self._ended.wait(pause_seconds):
            deed(drawn)

    def _replace_stack(self, drawn: np.random.Generator) -> None:
        slot = self._slots[drawn.integers(_SLOTS_THAT_STAY, STACKS)]
        if drawn.random() < 0.02:  # noqa: PLR2004 - processes take their time to start
            slot = self._slots[drawn.integers(0, _OVERRIDES_EACH * len(SERVICES))]
        stack = slot.stack
        if stack is None:
            return
        slot.stack = None
        remove = self._mesh.service.delete_stack
        if drawn.random() < 0.5:  # noqa: PLR2004 - an even choice
            remove = self._mesh.service.drain_stack
        remove(stack.stack_id)
        self._create(slot)
        self.tally.deeds["stacks replaced"] += 1

    def _kill_replica(self, drawn: np.random.Generator) -> None:
        chosen = self._victims.choose()
        if chosen and self._victims.kill(chosen[drawn.integers(len(chosen))]):
            self.tally.deeds["replicas killed"] += 1

    def _kill_control_plane(self, drawn: np.random.Generator) -> None:
        if drawn.random() < 0.75:  # noqa: PLR2004 - else maybe while it is starting
            self._mesh.service.get_mesh()
        with suppress(ProcessLookupError):  # it may be starting again just now
            os.kill(find_control_plane(self._mesh.process_id), signal.SIGKILL)
            self.tally.deeds["control planes killed"] += 1

    def _call(self, channel: grpc.Channel, number: int, rpcs: int) -> None:
        drawn = np.random.default_rng([self._seed, 2, number])
        clients = {service: ProbeClient(channel, service) for service in SERVICES}
        while self.tally.rpcs < rpcs:
            slot = self._slots[drawn.integers(STACKS)]
            stack = slot.stack
            if stack is None:
                continue
            first, second = SERVICES if drawn.random() < 0.5 else SERVICES[::-1]  # noqa: PLR2004 - an even choice
            path = (second,) if drawn.random() < 0.5 else ()  # noqa: PLR2004 - an even choice
            try:
                with use_context(stack.context):
                    answer = clients[first].ask(Question(path=path), timeout=60)
            except grpc.RpcError as error:
                self._count_failure(slot, stack, error)
            else:
                self._count_answer(slot, stack, (first, *path), answer)

    def _count_failure(self, slot: _Slot, stack: Stack, error: grpc.RpcError) -> None:
        with self._lock:
            if slot.stack is not stack:
                self.tally.departed += 1
                return
            self.tally.failed += 1
            self.tally.tell(f"{time.strftime('%H:%M:%S')} {stack.stack_id}: {error}")

    def _count_answer(
        self, slot: _Slot, stack: Stack, services: tuple[str, ...], answer: Answer
    ) -> None:
        as_of = format_moment(stack.as_of_micros)
        with self._lock:
            for service, hop in zip(services, answer.hops, strict=True):
                name = stack.stack_id if service == slot.overridden else "baseline"
                self.tally.rpcs += 1
                if (hop.name.strip(), hop.headers[STACK_HEADER]) != (name, stack.stack_id):
                    self.tally.wrong_stack += 1
                    self.tally.tell(f"{stack.stack_id}, {service}: {hop}")
                if hop.headers[AS_OF_HEADER] != as_of:
                    self.tally.wrong_as_of += 1
                    self.tally.tell(f"{stack.stack_id} at {as_of}, {service}: {hop}")
