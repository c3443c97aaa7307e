"""Replicas as child processes on this machine."""

from __future__ import annotations

import os
from types import MappingProxyType
from typing import TYPE_CHECKING

from mesh.errors import Infeasible
from mesh.launchers.programs import KILL_AFTER_SECONDS, read_endpoint, replica_program

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mesh.launchers.launcher import Launch
    from mesh.processes import ChildProcess, Spawner
    from mesh.topology import Endpoint

_LOOPBACK = "127.0.0.1"


class LocalLauncher:
    """Run replicas with this interpreter, on free loopback ports.

    Args:
        spawner: Starts the processes.
        mesh_address: host:port through which they call each other.
        logs: Directory that gets a directory per stack and a file per replica.
        secrets: Environment variables for the processes that ask for them.
    """

    def __init__(
        self,
        spawner: Spawner,
        *,
        mesh_address: str,
        logs: Path,
        secrets: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._spawner = spawner
        self._mesh_address = mesh_address
        self._logs = logs
        self._secrets = secrets

    def launch(self, launch: Launch) -> LocalProcess:
        """Start a replica.

        Raises:
            Infeasible: It needs more than this machine has.
            ProcessFailed: It could not be started.
        """
        if missing := launch.process.needs.missing_from(_this_machine()):
            raise Infeasible(
                f"{launch.name} needs {launch.process.needs}; this machine has not "
                f"enough {', '.join(missing)}.",
                remedy="Ask for less, or launch on machines that have it.",
                field="needs",
            )
        program = replica_program(
            launch,
            host=_LOOPBACK,
            mesh_address=self._mesh_address,
            logs=self._logs,
            secrets=self._secrets,
        )
        return LocalProcess(launch, self._spawner.spawn(program))


class LocalProcess:
    """A replica on this machine."""

    def __init__(self, launch: Launch, child: ChildProcess) -> None:
        self._launch = launch
        self._child = child
        self._endpoint: Endpoint | None = None

    @property
    def launch(self) -> Launch:
        """What was asked for."""
        return self._launch

    def wait_ready(self, timeout_seconds: float) -> Endpoint:
        """Wait until it serves; return where.

        Raises:
            ProcessFailed: It ended first or took too long.
        """
        said = self._child.wait_ready(timeout_seconds)
        self._endpoint = read_endpoint(self._launch, said, self._child.process_id)
        return self._endpoint

    def endpoint(self) -> Endpoint | None:
        """Return where it serves now; None while it does not."""
        return self._endpoint if self.exit_reason() is None else None

    def exit_reason(self) -> str | None:
        """Return how it ended; None while it runs."""
        return self._child.exit_reason()

    def stop(self) -> None:
        """End it: calls in flight first, then all of its process group."""
        self._child.stop(KILL_AFTER_SECONDS)


def _this_machine() -> Mapping[str, float]:
    memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {"CPU": float(os.cpu_count() or 1), "memory": float(memory_bytes)}
