"""What a launcher does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mesh.topology import Endpoint, ServiceProcess


@dataclass(frozen=True, slots=True)
class Launch:
    """One replica to run.

    Attributes:
        process: What to run.
        stack_id: Stack that it belongs to; empty for the baseline.
        replica: Number of the replica, from 0.
    """

    process: ServiceProcess
    stack_id: str
    replica: int

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.process.service} of {self.stack_id or 'the baseline'}"


class RunningProcess(Protocol):
    """A replica that was started."""

    @property
    def launch(self) -> Launch:
        """What was asked for."""

    def wait_ready(self, timeout_seconds: float) -> Endpoint:
        """Wait until it serves; return where.

        Raises:
            ProcessFailed: It ended first or took too long; the message holds the end of
                its log.
        """

    def find_endpoint(self) -> Endpoint | None:
        """Return where it serves, without waiting; None while it is not ready."""

    def exit_reason(self) -> str | None:
        """Return how it ended; None while it runs."""

    def restart(self) -> None:
        """End what is left of it and start it again; it serves when `wait_ready` returns.

        It may serve elsewhere than before.

        Raises:
            UnknownProcess: It was stopped.
            ProcessFailed: It could not be started.
        """

    def stop(self) -> None:
        """End it: calls in flight first, then all that belongs to it."""


class Launcher(Protocol):
    """Starts replicas, which outlive the control plane but not the host."""

    def launch(self, launch: Launch) -> RunningProcess:
        """Start a replica; it serves when `wait_ready` returns.

        Raises:
            ProcessFailed: It could not be started.
        """

    def list_running(self) -> tuple[RunningProcess, ...]:
        """Return all replicas that were started and not stopped, by whomever.

        A control plane that was started again learns from this what it has.
        """
