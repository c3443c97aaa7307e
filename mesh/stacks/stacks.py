"""The life of stacks: launch, route and probe; and the reverse, leaving nothing behind."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import structlog

from core.errors import PagesimError, Unavailable
from mesh.errors import StackExists, UnknownStack
from mesh.stacks.changes import StackChanges
from mesh.stacks.deployment import Deployment, check_lease, endpoints_of
from mesh.stacks.replicas import Launch
from mesh.stacks.restart_targets import Baseline, OwnedReplicas
from mesh.stacks.restarts import Restarter, RestartPolicy
from mesh.topology.stack import StackState
from mesh.topology.topology import PlacedStack, group_endpoints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from mesh.envoy.data_plane import DataPlane
    from mesh.stacks.journal import Journal
    from mesh.stacks.metrics import StackMetrics
    from mesh.stacks.probes import Prober
    from mesh.stacks.recovery import Remains
    from mesh.stacks.replicas import Launcher, Replica
    from mesh.topology.service_process import ServiceProcess
    from mesh.topology.stack import Endpoint, LostReplica, Stack, StackStatus

_ATTEMPTS = 3
_KILLED = "signal SIGKILL"
"""What killed a new process, a person or the system short of memory, may not do so again."""

_log = structlog.get_logger("mesh.stacks")


class Stacks:
    """Create and delete stacks; several at once, each id once.

    Args:
        launcher: Runs the processes.
        data_plane: Routes the calls.
        prober: Proves that they arrive.
        metrics: Counts.
        journal: Remembers for the next control plane.
        start_timeout_seconds: How long a process may take to be ready.
        probe_timeout_seconds: How long the first answer through Envoy may take.
        restart_policy: When dead processes are started again.
        monotonic_seconds: The clock of leases and pauses.

    Attributes:
        changes: Tells every change of a stack.
    """

    def __init__(
        self,
        *,
        launcher: Launcher,
        data_plane: DataPlane,
        prober: Prober,
        metrics: StackMetrics,
        journal: Journal,
        start_timeout_seconds: float,
        probe_timeout_seconds: float,
        restart_policy: RestartPolicy | None = None,
        monotonic_seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._launcher = launcher
        self._data_plane = data_plane
        self._prober = prober
        self._metrics = metrics
        self._journal = journal
        self._start_timeout_seconds = start_timeout_seconds
        self._probe_timeout_seconds = probe_timeout_seconds
        self._now = monotonic_seconds
        self._restarter = Restarter(
            restart_policy or RestartPolicy(),
            metrics,
            start_timeout_seconds=start_timeout_seconds,
            monotonic_seconds=monotonic_seconds,
        )
        self._lock = threading.Lock()
        self._deployments: dict[str, Deployment] = {}
        self._baseline = Baseline(data_plane)
        self._expiring = ThreadPoolExecutor(4, thread_name_prefix="expire")
        self.changes = StackChanges()

    @property
    def baseline(self) -> tuple[Endpoint, ...]:
        """Where those processes of the baseline that serve can be reached."""
        return endpoints_of(self._restarter.find_serving(self._baseline.processes))

    @property
    def lost_of_baseline(self) -> tuple[LostReplica, ...]:
        """Replicas of the baseline that died and do not serve again yet."""
        return self._restarter.find_lost(self._baseline.processes)

    @property
    def restarts_of_baseline(self) -> int:
        """How often processes of the baseline were started again."""
        return self._restarter.count_restarts(self._baseline.processes)

    def adopt(self, remains: Remains) -> None:
        """Go on with the stacks of the control plane before this one; leases begin anew."""
        for stack_id, entry in remains.stacks.items():
            deployment = Deployment(entry.stack, entry.lease_seconds, state=StackState.READY)
            deployment.processes = list(remains.processes.get(stack_id, ()))
            deployment.created.set_result(None)
            deployment.renew(self._now())
            self._deployments[stack_id] = deployment
        self._metrics.set_live(len(self._deployments))

    def start_baseline(self, processes: Sequence[ServiceProcess]) -> None:
        """Launch the baseline and make it known to Envoy; what runs of it already is kept.

        Raises:
            ProcessFailed: A process died or was not ready in time.
        """
        self._launch(processes, "", self._baseline.processes)
        self._baseline.report_serving()

    def create(self, stack: Stack, *, lease_seconds: float | None = None) -> StackStatus:
        """Make the stack ready: processes healthy, routes acknowledged, a probe answered.

        Creating the same stack again waits for the first, renews its lease and returns it.
        After one of its processes was killed by SIGKILL, all are started anew, twice at most.

        Args:
            stack: What to create.
            lease_seconds: How long it stays without being renewed; None means until deleted.

        Raises:
            InvalidStack: The lease is too short or too long.
            StackExists: A different stack has the id.
            ProcessFailed: A process died or was not ready in time.
            ConfigurationRejected: Envoy refused the stack, with its reason.
            Unavailable: Envoy or a service did not answer in time, or the id is being
                deleted. After any error nothing of the stack is left.
        """
        check_lease(lease_seconds)
        deployment = Deployment(stack, lease_seconds)
        with self._lock:
            present = self._deployments.setdefault(stack.stack_id, deployment)
        if present is not deployment:
            return self._await_same(present, stack)
        try:
            self._set_state(deployment, StackState.CREATING)
            self._deploy(deployment)
            deployment.renew(self._now())
            self._set_state(deployment, StackState.READY)
        except BaseException as error:
            self._give_up(deployment, error)
            raise
        deployment.created.set_result(None)
        self._metrics.set_live(len(self._deployments))
        return self._status(deployment)

    def get(self, stack_id: str) -> StackStatus:
        """Return the stack, waiting for one that is being created.

        Raises:
            UnknownStack: There is none of that id.
        """
        deployment = self._find(stack_id)
        deployment.created.result()
        return self._status(deployment)

    def list_ready(self) -> tuple[StackStatus, ...]:
        """Return the stacks that calls reach, ordered by id."""
        return tuple(self._status(deployment) for deployment in self._list() if deployment.live)

    def list_all(self) -> tuple[StackStatus, ...]:
        """Return all stacks in whatever state, ordered by id."""
        return tuple(self._status(deployment) for deployment in self._list())

    def renew_lease(self, stack_id: str) -> float | None:
        """Let the lease of the stack begin anew; return its length in seconds.

        Raises:
            UnknownStack: There is none of that id.
        """
        deployment = self._find(stack_id)
        deployment.renew(self._now())
        return deployment.lease_seconds

    def delete(self, stack_id: str, *, reason: str = "") -> None:
        """Remove the stack: routes first, then processes, then clusters.

        Calls in flight end; the next one is refused.

        Args:
            stack_id: The stack.
            reason: Why, for those who watch.

        Raises:
            UnknownStack: There is none of that id.
            Unavailable: Envoy did not answer in time; try again.
        """
        self._remove(stack_id, reason, self._data_plane.remove_routes)

    def drain(self, stack_id: str) -> None:
        """Remove the stack, telling those who call it meanwhile that it drains.

        Raises:
            UnknownStack: There is none of that id.
            Unavailable: Envoy did not answer in time; try again.
        """
        self._remove(stack_id, "It is drained.", self._data_plane.refuse)

    def check(self) -> None:
        """Start dead processes again, and remove stacks whose lease is over."""
        for process in self._baseline.processes:
            self._restarter.check(process, self._baseline)
        now = self._now()
        for deployment in self._list():
            if deployment.live:
                owner = OwnedReplicas(deployment, self._publish)
                for process in deployment.processes:
                    self._restarter.check(process, owner)
            if deployment.has_expired(now):
                deployment.renew(now)  # if the removal fails it is tried again then
                self._expiring.submit(self._expire, deployment)

    def close(self) -> None:
        """Stop looking after stacks; they stay."""
        self._expiring.shutdown(wait=False, cancel_futures=True)
        self._restarter.close()

    def _await_same(self, found: Deployment, stack: Stack) -> StackStatus:
        if found.leaving:
            raise Unavailable(
                f"Stack {stack.stack_id} is being deleted.", remedy="Try again when it is gone."
            )
        if found.stack != stack:
            raise StackExists(
                f"There is another stack called {stack.stack_id}.",
                remedy="Delete it first, or choose another id.",
                field="stack_id",
            )
        found.created.result()
        found.renew(self._now())
        return self._status(found)

    def _deploy(self, deployment: Deployment) -> None:
        for attempts_left in reversed(range(_ATTEMPTS)):
            try:
                self._deploy_once(deployment)
            except Unavailable as error:
                killed = any(one.exit_reason() == _KILLED for one in deployment.processes)
                if not killed or not attempts_left:
                    raise
                stack_id = deployment.stack.stack_id
                _log.warning("stack_deployed_anew", stack=stack_id, reason=str(error))
            else:
                return
            self._stop(deployment.processes)
            deployment.processes = []

    def _deploy_once(self, deployment: Deployment) -> None:
        stack = deployment.stack
        endpoints = self._launch(stack.overrides, stack.stack_id, deployment.processes)
        healthy = time.perf_counter()
        give_up_at = self._now() + self._start_timeout_seconds
        self._data_plane.add(PlacedStack(stack, group_endpoints(endpoints)))
        try:
            baseline = endpoints_of(self._baseline.processes)
            services = {endpoint.service for endpoint in (*baseline, *endpoints)}
            self._prober.wait_serving(
                stack,
                sorted(services),
                timeout_seconds=self._probe_timeout_seconds,
                is_restarting=lambda: self._now() < give_up_at and bool(self.lost_of_baseline),
            )
        except BaseException:
            self._data_plane.remove(stack.stack_id)
            raise
        seconds = time.perf_counter() - healthy
        self._metrics.observe_ready(seconds)
        _log.info(
            "stack_ready",
            stack=stack.stack_id,
            overrides=[override.service for override in stack.overrides],
            seconds=round(seconds, 4),
        )

    def _launch(
        self,
        processes: Iterable[ServiceProcess],
        stack_id: str,
        running: list[Replica],
    ) -> tuple[Endpoint, ...]:
        for process in processes:
            for replica in range(process.replicas):
                started = self._launcher.launch(Launch(process, stack_id, replica))
                running.append(started)  # at once, so that a later failure stops it too
        # They start side by side, whatever the order in which we wait.
        deadline = time.monotonic() + self._start_timeout_seconds
        # What was ready once, for a control plane that died since, is not waited for: if it
        # died too, it is restarted.
        return tuple(
            replica.find_endpoint() or replica.wait_ready(max(deadline - time.monotonic(), 0.0))
            for replica in running
        )

    def _remove(self, stack_id: str, reason: str, end_calls: Callable[[str], None]) -> None:
        deployment = self._find(stack_id)
        deployment.created.exception()  # wait; a failed creation cleans up after itself
        with self._lock:
            if deployment.leaving or self._deployments.get(stack_id) is not deployment:
                raise unknown_stack(stack_id)
            former = deployment.state, deployment.reason
            deployment.state, deployment.reason = StackState.DRAINING, reason
        try:
            self._set_state(deployment, StackState.DRAINING, reason)
            end_calls(stack_id)
            self._stop(deployment.processes)
            self._data_plane.remove(stack_id)
        except PagesimError:
            deployment.state, deployment.reason = former
            raise
        self._forget(deployment, StackState.GONE, reason)
        self._metrics.set_live(len(self._deployments))
        _log.info("stack_deleted", stack=stack_id, reason=reason)

    def _expire(self, deployment: Deployment) -> None:
        reason = f"Its lease of {deployment.lease_seconds:g} seconds was not renewed."
        try:
            self.delete(deployment.stack.stack_id, reason=reason)
        except PagesimError as error:
            _log.warning(
                "stack_not_expired", stack=deployment.stack.stack_id, reason=str(error)
            )

    def _stop(self, processes: Sequence[Replica]) -> None:
        if processes:
            with ThreadPoolExecutor(len(processes), thread_name_prefix="stop") as stopping:
                list(stopping.map(lambda process: process.stop(), processes))

    def _give_up(self, deployment: Deployment, error: BaseException) -> None:
        self._metrics.count_failure(error)
        _log.warning("stack_failed", stack=deployment.stack.stack_id, reason=str(error))
        self._stop(deployment.processes)
        self._forget(deployment, StackState.FAILED, str(error))
        deployment.created.set_exception(error)

    def _set_state(self, deployment: Deployment, state: StackState, reason: str = "") -> None:
        self._journal.record(deployment.stack, state, lease_seconds=deployment.lease_seconds)
        deployment.state, deployment.reason = state, reason
        self._publish(deployment)

    def _forget(self, deployment: Deployment, state: StackState, reason: str) -> None:
        self._journal.forget(deployment.stack.stack_id)
        deployment.state, deployment.reason = state, reason
        deployment.processes = []
        with self._lock:
            del self._deployments[deployment.stack.stack_id]
        self._publish(deployment)

    def _status(self, deployment: Deployment) -> StackStatus:
        processes = deployment.processes
        return deployment.status(
            self._restarter.find_serving(processes),
            self._restarter.find_lost(processes) if deployment.live else (),
            self._restarter.count_restarts(processes),
        )

    def _publish(self, deployment: Deployment) -> None:
        self.changes.publish(self._status(deployment))

    def _list(self) -> list[Deployment]:
        with self._lock:
            return [deployment for _, deployment in sorted(self._deployments.items())]

    def _find(self, stack_id: str) -> Deployment:
        with self._lock:
            found = self._deployments.get(stack_id)
        if found is None or found.leaving:
            raise unknown_stack(stack_id)
        return found


def unknown_stack(stack_id: str) -> UnknownStack:
    """Return the error for a stack that is not there."""
    return UnknownStack(
        f"There is no stack {stack_id!r}.",
        remedy="Create it first, or check the id against the list of stacks.",
        field="stack_id",
    )
