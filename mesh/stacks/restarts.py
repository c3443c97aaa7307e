"""Restarts dead replicas with growing pauses, up to a number of attempts."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from weakref import WeakKeyDictionary

import grpc
import structlog

from core.errors import PagesimError
from mesh.errors import UnknownProcess, WrongFile
from mesh.topology.stack import LostReplica

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mesh.stacks.metrics import StackMetrics
    from mesh.stacks.replicas import Replica

_AT_ONCE = 8
_LOOKS = 5
_LOOK_SECONDS = 0.2
_UNKNOWN_REASON = "an unknown cause"

_log = structlog.get_logger("mesh.stacks")


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """When a dead replica is started again.

    Attributes:
        first_pause_seconds: Pause after the first death; each further one doubles it.
        longest_pause_seconds: No pause is longer.
        steady_seconds: A replica that has served for so long counts as well again.
        attempts: Deaths in a row after which it is given up.
    """

    first_pause_seconds: float = 0.1
    longest_pause_seconds: float = 5.0
    steady_seconds: float = 5.0
    attempts: int = 6


@dataclass(slots=True)
class Health:
    """What happened to one replica; times are seconds of a monotonic clock.

    Attributes:
        policy: When to start it again.
        restarts: How often it was started again.
        start_at: When it is to be started; None while it runs or is given up.
        given_up: Why it is not started again; empty while it is.
        lost: How it ended; empty while it serves.
    """

    policy: RestartPolicy
    restarts: int = 0
    start_at: float | None = None
    given_up: str = ""
    lost: str = ""
    _deaths: int = 0
    _serving_since: float | None = None

    def die(self, now: float, reason: str, *, spare: bool = False) -> None:
        """Take in that it died; a spared one is never given up."""
        since, self._serving_since = self._serving_since, None
        self.lost = reason
        if since is not None and now - since >= self.policy.steady_seconds:
            self._deaths = 0
        self._deaths += 1
        if self._deaths > self.policy.attempts and not spare:
            self.start_at = None
            self.given_up = f"it died {self._deaths} times in a row, at last with {reason}"
            return
        doublings = min(self._deaths - 1, 30)
        pause_seconds = self.policy.first_pause_seconds * 2**doublings
        self.start_at = now + min(pause_seconds, self.policy.longest_pause_seconds)

    def start(self) -> None:
        """Take in that it is started again."""
        self.start_at = None
        self.restarts += 1

    def serve(self, now: float) -> None:
        """Take in that it serves."""
        self._serving_since = now
        self.lost = ""


class Owner(Protocol):
    """Whoever wants its replicas to run."""

    def is_wanted(self) -> bool:
        """Return whether its replicas are to be started again."""

    def report_serving(self) -> None:
        """Hear that a replica serves again."""

    def report_given_up(self, reason: str) -> None:
        """Hear that a replica will not be started again."""


@dataclass(slots=True)
class _Patient:
    health: Health
    busy: bool = False


class Restarter:
    """Look after replicas.

    Args:
        policy: When a dead replica is started again.
        metrics: Counts.
        start_timeout_seconds: How long a replica may take to be ready.
        monotonic_seconds: The clock.
    """

    def __init__(
        self,
        policy: RestartPolicy,
        metrics: StackMetrics,
        *,
        start_timeout_seconds: float,
        monotonic_seconds: Callable[[], float],
    ) -> None:
        self._policy = policy
        self._metrics = metrics
        self._start_timeout_seconds = start_timeout_seconds
        self._now = monotonic_seconds
        self._lock = threading.Lock()
        self._patients: WeakKeyDictionary[Replica, _Patient] = WeakKeyDictionary()
        self._executor = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="restart")

    def count_restarts(self, processes: Iterable[Replica]) -> int:
        """Return how often the processes were started again."""
        with self._lock:
            known = [self._patients.get(process) for process in processes]
        return sum(patient.health.restarts for patient in known if patient is not None)

    def find_lost(self, processes: Iterable[Replica]) -> tuple[LostReplica, ...]:
        """Return those of the processes that died and do not serve again yet."""
        reasons = ((process.launch, self._find_loss(process)) for process in processes)
        return tuple(
            LostReplica(launch.process.service, launch.stack_id, reason)
            for launch, reason in reasons
            if reason
        )

    def find_serving(self, processes: Iterable[Replica]) -> tuple[Replica, ...]:
        """Return those of the processes that are not lost."""
        return tuple(process for process in processes if not self._find_loss(process))

    def check(self, process: Replica, owner: Owner) -> None:
        """Start the process again if it died and its pause is over."""
        reason = process.exit_reason()
        with self._lock:
            patient = self._patients.get(process)
            if patient is None:
                patient = self._patients[process] = _Patient(Health(self._policy))
                if reason is None and process.is_ready():
                    patient.health.serve(self._now())
            health = patient.health
            if patient.busy or health.given_up:
                return
            if reason is None and health.start_at is None and not process.is_ready():
                # A control plane that died was restarting it, or waiting for it failed.
                patient.busy = True
                self._executor.submit(self._bring_back, process, patient, owner, lambda: None)
                return
            given_up = (
                reason is not None
                and health.start_at is None
                and self._note_death(process, health, reason)
            )
            due = health.start_at is not None and self._now() >= health.start_at
            patient.busy = due
        if given_up:
            owner.report_given_up(_explain(process, health))
        elif due:
            self._executor.submit(self._restart, process, patient, owner)

    def close(self) -> None:
        """Begin no further restart."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _note_death(self, process: Replica, health: Health, reason: str) -> bool:
        spare = not process.launch.stack_id  # without the baseline no stack works
        health.die(self._now(), reason, spare=spare)
        self._metrics.count_death()
        _log.error(
            "process_died",
            name=process.launch.name,
            reason=reason,
            replica=process.launch.replica,
            given_up=bool(health.given_up),
        )
        return bool(health.given_up)

    def _find_loss(self, process: Replica) -> str:
        with self._lock:
            patient = self._patients.get(process)
            lost = "" if patient is None else patient.health.lost
        # The next check is still to take in what died just now.
        return lost or process.exit_reason() or ("" if process.is_ready() else _UNKNOWN_REASON)

    def _restart(self, process: Replica, patient: _Patient, owner: Owner) -> None:
        patient.health.start()
        self._bring_back(process, patient, owner, process.restart)

    def _bring_back(
        self,
        process: Replica,
        patient: _Patient,
        owner: Owner,
        start: Callable[[], None],
    ) -> None:
        health = patient.health
        try:
            if not owner.is_wanted():
                return
            start()
            process.wait_ready(self._start_timeout_seconds)
            health.serve(self._now())
            owner.report_serving()
            self._metrics.count_restart()
            _log.info("process_restarted", name=process.launch.name, restarts=health.restarts)
        except UnknownProcess:
            _log.debug("process_was_stopped", name=process.launch.name)
        except grpc.RpcError as error:  # the host did not answer: the next check tries again
            _log.warning("process_not_restarted", name=process.launch.name, reason=str(error))
        except PagesimError as error:
            _log.warning("process_not_restarted", name=process.launch.name, reason=str(error))
            if self._note_death(process, health, _find_reason(process, error)):
                owner.report_given_up(_explain(process, health))
        finally:
            patient.busy = False


def _find_reason(process: Replica, error: PagesimError) -> str:
    if isinstance(error, WrongFile):
        return error.problem
    for _ in range(_LOOKS):  # its ready line ends a little before the process does
        reason = process.exit_reason()
        if reason is not None:
            return reason
        time.sleep(_LOOK_SECONDS)
    return "no ready line"


def _explain(process: Replica, health: Health) -> str:
    return f"{process.launch.name} is given up: {health.given_up}"
