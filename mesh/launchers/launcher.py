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
    """A replica that was started.

    It may come to serve elsewhere: one that is restarted listens on new ports, perhaps on
    another machine. Whoever routes calls to it asks `endpoint` from time to time and compares.
    """

    @property
    def launch(self) -> Launch:
        """What was asked for."""

    def wait_ready(self, timeout_seconds: float) -> Endpoint:
        """Wait until it serves; return where.

        Raises:
            ProcessFailed: It ended first or took too long; the message holds the end of
                its log.
        """

    def endpoint(self) -> Endpoint | None:
        """Return where it serves now; None while it does not. Never waits."""

    def exit_reason(self) -> str | None:
        """Return how it ended; None while it runs."""

    def stop(self) -> None:
        """End it: calls in flight first, then all that belongs to it."""


class Launcher(Protocol):
    """Starts replicas, and makes sure that none outlives the launcher's process."""

    def launch(self, launch: Launch) -> RunningProcess:
        """Start a replica; it serves when `wait_ready` returns.

        Raises:
            Infeasible: No machine has what it needs.
            ProcessFailed: It could not be started.
        """
