"""The life of stacks: launch, route, probe; and back, leaving nothing."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakSet

import structlog

from mesh.errors import PagesimError, StackExists, Unavailable, UnknownStack
from mesh.launchers import Launch
from mesh.topology import PlacedStack, group_endpoints

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mesh.data_plane import DataPlane
    from mesh.launchers import Launcher, RunningProcess
    from mesh.probes import Prober
    from mesh.stack_metrics import StackMetrics
    from mesh.topology import Endpoint, ServiceProcess, Stack

_log = structlog.get_logger("mesh.stacks")


@dataclass(frozen=True, slots=True)
class StackStatus:
    """A ready stack and its own processes."""

    stack: Stack
    endpoints: tuple[Endpoint, ...]


@dataclass(slots=True)
class _Deployment:
    stack: Stack
    created: Future[StackStatus] = field(default_factory=Future)
    processes: list[RunningProcess] = field(default_factory=list)
    deleting: bool = False
    moved: StackStatus | None = None

    def status(self) -> StackStatus:
        return self.moved or self.created.result()

    def is_ready(self) -> bool:
        succeeded = self.created.done() and self.created.exception() is None
        return succeeded and not self.deleting


class Stacks:
    """Create and delete stacks; several at once, each id once.

    Args:
        launcher: Runs the processes.
        data_plane: Routes the calls.
        prober: Proves that they arrive.
        metrics: Counts.
        start_timeout_seconds: How long a process may take to be ready.
        probe_timeout_seconds: How long the first answer through Envoy may take.
    """

    def __init__(
        self,
        *,
        launcher: Launcher,
        data_plane: DataPlane,
        prober: Prober,
        metrics: StackMetrics,
        start_timeout_seconds: float,
        probe_timeout_seconds: float,
    ) -> None:
        self._launcher = launcher
        self._data_plane = data_plane
        self._prober = prober
        self._metrics = metrics
        self._start_timeout_seconds = start_timeout_seconds
        self._probe_timeout_seconds = probe_timeout_seconds
        self._lock = threading.Lock()
        self._deployments: dict[str, _Deployment] = {}
        self._baseline: tuple[Endpoint, ...] = ()
        self._baseline_processes: list[RunningProcess] = []
        self._reported_dead: WeakSet[RunningProcess] = WeakSet()

    @property
    def baseline(self) -> tuple[Endpoint, ...]:
        """Where the processes of the baseline can be reached."""
        return self._baseline

    def start_baseline(self, processes: Sequence[ServiceProcess]) -> None:
        """Launch the baseline and make it known to Envoy.

        Raises:
            ProcessFailed: A process died or was not ready in time; none is left.
        """
        self._baseline = self._launch(processes, "", self._baseline_processes)
        self._data_plane.set_baseline(group_endpoints(self._baseline))

    def create(self, stack: Stack) -> StackStatus:
        """Make the stack ready: processes healthy, routes acknowledged, a probe answered.

        Creating the same stack again waits for the first and returns it.

        Raises:
            StackExists: A different stack has the id.
            ProcessFailed: A process died or was not ready in time.
            ConfigurationRejected: Envoy refused the stack, with its reason.
            Unavailable: Envoy or a service did not answer in time, or the id is being
                deleted. After any error nothing of the stack is left.
        """
        deployment = _Deployment(stack)
        with self._lock:
            present = self._deployments.setdefault(stack.stack_id, deployment)
        if present is not deployment:
            return self._await_same(present, stack)
        try:
            status = self._deploy(deployment)
        except BaseException as error:
            self._metrics.count_failure(error)
            _log.warning("stack_failed", stack=stack.stack_id, reason=str(error))
            self._stop(deployment.processes)
            self._forget(stack.stack_id)
            deployment.created.set_exception(error)
            raise
        deployment.created.set_result(status)
        self._metrics.set_live(len(self._deployments))
        return status

    def get(self, stack_id: str) -> StackStatus:
        """Return the ready stack, waiting for one that is being created.

        Raises:
            UnknownStack: There is none of that id.
        """
        deployment = self._find(stack_id)
        deployment.created.result()
        return deployment.status()

    def list_ready(self) -> tuple[StackStatus, ...]:
        """Return the ready stacks, ordered by id."""
        with self._lock:
            deployments = sorted(self._deployments.items())
        return tuple(one.status() for _, one in deployments if one.is_ready())

    def delete(self, stack_id: str) -> None:
        """Remove the stack: routes first, then processes, then clusters.

        Calls in flight end; the next one is refused.

        Raises:
            UnknownStack: There is none of that id.
            Unavailable: Envoy did not answer in time; try again.
        """
        deployment = self._find(stack_id)
        deployment.created.exception()  # wait; a failed creation cleans up after itself
        with self._lock:
            if deployment.deleting or self._deployments.get(stack_id) is not deployment:
                raise _unknown(stack_id)
            deployment.deleting = True
        try:
            self._data_plane.remove_routes(stack_id)
            self._stop(deployment.processes)
            self._data_plane.remove_clusters(stack_id)
        except PagesimError:
            deployment.deleting = False
            raise
        self._forget(stack_id)
        self._metrics.set_live(len(self._deployments))
        _log.info("stack_deleted", stack=stack_id)

    def report_dead(self) -> None:
        """Log every process that ended without being asked to, once."""
        with self._lock:
            ready = [one for one in self._deployments.values() if one.is_ready()]
        in_stacks = [process for one in ready for process in one.processes]
        for process in (*self._baseline_processes, *in_stacks):
            reason = process.exit_reason()
            if reason is not None and process not in self._reported_dead:
                self._reported_dead.add(process)
                self._metrics.count_death()
                _log.error("process_died", name=process.launch.name, reason=reason)

    def follow_moves(self) -> None:
        """Route calls to where replicas serve now, if that has changed.

        Raises:
            ConfigurationRejected: Envoy refused the change.
            Unavailable: Envoy did not answer in time; the next call tries again.
        """
        baseline = _locate(self._baseline_processes, self._baseline)
        if baseline != self._baseline:
            self._data_plane.set_baseline(group_endpoints(baseline))
            self._baseline = baseline
        with self._lock:
            ready = [one for one in self._deployments.values() if one.is_ready()]
        for deployment in ready:
            status = deployment.status()
            endpoints = _locate(deployment.processes, status.endpoints)
            if endpoints != status.endpoints:
                clusters = group_endpoints(endpoints)
                self._data_plane.move_clusters(status.stack.stack_id, clusters)
                deployment.moved = StackStatus(status.stack, endpoints)
                _log.info("stack_moved", stack=status.stack.stack_id)

    def close(self) -> None:
        """Stop all processes."""
        with self._lock:
            deployments = list(self._deployments.values())
        self._stop(
            [
                *self._baseline_processes,
                *(one for each in deployments for one in each.processes),
            ]
        )

    def _await_same(self, found: _Deployment, stack: Stack) -> StackStatus:
        if found.deleting:
            raise Unavailable(
                f"Stack {stack.stack_id} is being deleted.", remedy="Try again when it is gone."
            )
        if found.stack != stack:
            raise StackExists(
                f"There is another stack called {stack.stack_id}.",
                remedy="Delete it first, or choose another id.",
                field="stack_id",
            )
        return found.created.result()

    def _deploy(self, deployment: _Deployment) -> StackStatus:
        stack = deployment.stack
        endpoints = self._launch(stack.overrides, stack.stack_id, deployment.processes)
        healthy = time.perf_counter()
        clusters = group_endpoints(endpoints)
        self._data_plane.add(PlacedStack(stack, clusters))
        try:
            services = {one.service for one in (*self._baseline, *endpoints)}
            self._prober.wait_serving(
                stack, sorted(services), timeout_seconds=self._probe_timeout_seconds
            )
        except BaseException:
            self._data_plane.remove_routes(stack.stack_id)
            self._data_plane.remove_clusters(stack.stack_id)
            raise
        seconds = time.perf_counter() - healthy
        self._metrics.observe_ready(seconds)
        _log.info(
            "stack_ready",
            stack=stack.stack_id,
            overrides=[one.service for one in stack.overrides],
            seconds=round(seconds, 4),
        )
        return StackStatus(stack, endpoints)

    def _launch(
        self,
        processes: Iterable[ServiceProcess],
        stack_id: str,
        running: list[RunningProcess],
    ) -> tuple[Endpoint, ...]:
        for process in processes:
            for replica in range(process.replicas):
                started = self._launcher.launch(Launch(process, stack_id, replica))
                running.append(started)  # at once, so that a later failure stops it too
        # They start side by side, whatever the order in which we wait.
        deadline = time.monotonic() + self._start_timeout_seconds
        return tuple(one.wait_ready(max(deadline - time.monotonic(), 0.0)) for one in running)

    def _stop(self, processes: Sequence[RunningProcess]) -> None:
        if processes:
            with ThreadPoolExecutor(len(processes), thread_name_prefix="stop") as stopping:
                list(stopping.map(lambda process: process.stop(), processes))

    def _find(self, stack_id: str) -> _Deployment:
        with self._lock:
            found = self._deployments.get(stack_id)
        if found is None or found.deleting:
            raise _unknown(stack_id)
        return found

    def _forget(self, stack_id: str) -> None:
        with self._lock:
            del self._deployments[stack_id]


def _locate(
    processes: Sequence[RunningProcess], known: tuple[Endpoint, ...]
) -> tuple[Endpoint, ...]:
    # A replica that serves nowhere keeps its old address: calls fail until it is back.
    return tuple(
        process.endpoint() or before for process, before in zip(processes, known, strict=True)
    )


def _unknown(stack_id: str) -> UnknownStack:
    return UnknownStack(
        f"There is no stack {stack_id!r}.",
        remedy="Create it first, or check the id against the list of stacks.",
        field="stack_id",
    )
