"""Waiting while the mesh restarts what died: the one place that repeats calls into a stack.

Whether a failed call is repeated is decided by its status and by what the mesh says:

- UNAVAILABLE and RESOURCE_EXHAUSTED may pass. While the mesh says that a replica which the
  stack needs is being restarted, callers wait, for `OUTAGE_SECONDS` at most; if it says
  nothing of the kind, for `SETTLE_SECONDS`.
- A call that broke off without a word of the service (a replica that dies while it answers
  leaves INTERNAL, say) is repeated if the mesh has lost a replica, once for each loss.
- Anything else is the caller's to judge.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import grpc
import structlog

from core.grpc_status import is_told_by_service
from experiments.errors import StackFailed
from mesh.topology.stack import StackState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from mesh.client.mesh_process import MeshProcess
    from mesh.topology.stack import LostReplica, Stack

OUTAGE_SECONDS: Final = 120.0
"""How long a call into a stack is repeated while the mesh restarts what it needs."""

SETTLE_SECONDS: Final = 15.0
"""How long it is repeated when the mesh says that all replicas serve: Envoy notices later."""

_FIRST_PAUSE_SECONDS = 0.25  # the mesh knows of a death after 0.2
_LONGEST_PAUSE_SECONDS = 1.0
_PASSING = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED)
_BROKEN_OFF = (
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.CANCELLED,
)
_REMEDY = "Look at the logs of its processes in the logs folder."

T = TypeVar("T")

_log = structlog.get_logger("experiments.generation")


@dataclass(frozen=True, slots=True)
class StackHealth:
    """What the mesh says of the replicas that a stack needs, of its own and of the baseline.

    Attributes:
        lost: Those that died and are being restarted.
        restarts: How often any was restarted.
    """

    lost: tuple[LostReplica, ...] = ()
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class Patience:
    """Call into a stack, and wait while the mesh restarts what it needs.

    Attributes:
        ask_health: Asks the mesh; raises when it gave up, or is gone.
        restarts: As they were before the first call.
        tell: Told what is waited for, and "" when that is over.
        wait: Waits for so many seconds.
        monotonic_seconds: The clock.
    """

    ask_health: Callable[[], StackHealth]
    restarts: int = 0
    tell: Callable[[str], None] = lambda _waiting_for: None
    wait: Callable[[float], None] = time.sleep
    monotonic_seconds: Callable[[], float] = time.monotonic

    @classmethod
    def with_stack(
        cls,
        mesh: MeshProcess,
        stack: Stack,
        tell: Callable[[str], None] = lambda _waiting_for: None,
    ) -> Patience:
        """Return the patience of whoever calls into a stack of the mesh."""

        def ask_health() -> StackHealth:
            return ask_stack_health(mesh, stack)

        return cls(ask_health, ask_health().restarts, tell)

    def call(self, ask: Callable[[], T]) -> T:
        """Return what `ask` returns; it may be called several times.

        Raises:
            grpc.RpcError: It failed for good.
            StackFailed: What died was not restarted in time, or is given up.
            ProcessFailed: The mesh ended.
        """
        outage: _Outage | None = None
        while True:
            try:
                answer = ask()
            except grpc.RpcError as error:
                if not _may_be_outage(error):
                    raise
                outage = outage or _Outage(self)
                outage.sit_out(error)
            else:
                if outage is not None:
                    self.tell("")
                return answer


class _Outage:
    """What one call waits for, from its first failure on."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._began = self._settled = patience.monotonic_seconds()
        self._restarts = patience.restarts
        self._pause_seconds = _FIRST_PAUSE_SECONDS
        self._told = ""

    def sit_out(self, failed: grpc.RpcError) -> None:
        """Wait a little; raise if the call is not to be repeated."""
        self._patience.wait(self._pause_seconds)
        self._pause_seconds = min(2 * self._pause_seconds, _LONGEST_PAUSE_SECONDS)
        health = self._patience.ask_health()
        died = health.lost or health.restarts != self._restarts
        if failed.code() not in _PASSING and not died:
            raise failed
        self._restarts = health.restarts
        now = self._patience.monotonic_seconds()
        self._settled = now if health.lost else self._settled
        if now - self._began >= OUTAGE_SECONDS or now - self._settled >= SETTLE_SECONDS:
            raise _explain(failed, health, now - self._began) from failed
        waiting_for = _name(health.lost) if health.lost else "the stack to answer"
        if waiting_for != self._told:
            self._told = waiting_for
            _log.info("waiting", waiting_for=waiting_for, code=failed.code().name)
            self._patience.tell(f"Waiting for {waiting_for} ({OUTAGE_SECONDS:g} s at most)")


def ask_stack_health(mesh: MeshProcess, stack: Stack) -> StackHealth:
    """Return what the mesh says of the replicas that the stack needs.

    Raises:
        ProcessFailed: The mesh ended; the message holds the end of its log.
        UnknownStack: The stack was removed.
        StackFailed: The mesh gave up a replica of it.
    """
    mesh.check()
    status, baseline = mesh.service.get_stack(stack.stack_id), mesh.service.get_mesh()
    if status.state is StackState.FAILED:
        raise StackFailed(f"{status.reason}.", remedy=_REMEDY)
    own = {override.service for override in stack.overrides}
    lost = (replica for replica in baseline.lost if replica.service not in own)
    return StackHealth((*status.lost, *lost), status.restarts + baseline.restarts)


def _may_be_outage(error: grpc.RpcError) -> bool:
    """Return whether the call may have failed because something is not there."""
    return error.code() in _PASSING or (
        error.code() in _BROKEN_OFF and not is_told_by_service(error)
    )


def _name(lost: Collection[LostReplica]) -> str:
    names = sorted(set(map(_whose, lost)))
    return f"{', '.join(names)} to be restarted"


def _whose(lost: LostReplica) -> str:
    return f"{lost.service} of {lost.stack_id or 'the baseline'}"


def _explain(failed: grpc.RpcError, health: StackHealth, seconds: float) -> StackFailed:
    said = f"{failed.code().name}: {failed.details() or 'no details'}"
    died = "; ".join(f"{_whose(one)} died with {one.reason}" for one in health.lost)
    if not died:
        problem = f"It did not answer for {seconds:.0f} seconds: {said}"
    else:
        problem = f"{died}, and was not restarted within {seconds:.0f} seconds: {said}"
    return StackFailed(f"{problem.rstrip('.')}.", remedy=_REMEDY)
