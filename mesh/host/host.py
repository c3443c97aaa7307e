"""What a host does for the control plane, in its own process or from another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mesh.errors import ProcessFailed
    from mesh.processes import Program


class HostedProcess(Protocol):
    """A process that a host started."""

    @property
    def key(self) -> str:
        """Names it."""

    @property
    def program(self) -> Program:
        """What was started."""

    @property
    def process_id(self) -> int:
        """Its process id."""

    def exit_reason(self) -> str | None:
        """Return how it ended; None while it runs."""

    def wait_ready(self, timeout_seconds: float) -> Mapping[str, str]:
        """Return what its ready line says; asked again, return it again.

        Raises:
            ProcessFailed: It ended first, or said nothing in time.
            PagesimError: What the process says itself that keeps it from being ready.
        """

    def find_ready_line(self) -> Mapping[str, str] | None:
        """Return what its ready line says if that was read; None otherwise."""

    def failure(self, problem: str) -> ProcessFailed:
        """Return an error with the problem and the end of the log."""

    def restart(self) -> None:
        """End what is left of it and start it again, at the same addresses.

        Raises:
            UnknownProcess: It was stopped.
            ProcessFailed: It could not be started.
        """

    def stop(self, grace_seconds: float) -> None:
        """End it, and all of its process group."""


class Host(Protocol):
    """Runs programs, and outlives the control plane."""

    @property
    def host_id(self) -> str:
        """Drawn at random when the host starts."""

    def start(self, key: str, program: Program) -> HostedProcess:
        """Start the program; the same again returns what runs.

        Raises:
            ProcessExists: A different program has the key.
            ProcessFailed: It could not be started.
            UnknownSecret: It asks for a secret that the host has not got.
        """

    def list(self) -> tuple[HostedProcess, ...]:
        """Return all processes, those that ended included, ordered by key."""
