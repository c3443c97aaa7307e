"""Replicas as child processes on this machine."""

from __future__ import annotations

import sys
from types import MappingProxyType
from typing import TYPE_CHECKING

from mesh.addresses import parse_address
from mesh.processes import Program
from mesh.topology import Endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mesh.launchers.launcher import Launch
    from mesh.processes import ChildProcess, Spawner

_DRAIN_SECONDS = 10.0
_KILL_AFTER_SECONDS = _DRAIN_SECONDS + 5.0
# Replicas share the cores; each with a pool of threads of its own only makes them wait.
_ENVIRONMENT: Mapping[str, str] = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


class LocalLauncher:
    """Run replicas with this interpreter, on free loopback ports.

    Args:
        spawner: Starts the processes.
        mesh_address: host:port through which they call each other.
        logs: Directory that gets a directory per stack and a file per replica.
        secrets: Environment variables for the processes that ask for them.
        tls: Directory of the certificates with which they prove who they are.
    """

    def __init__(
        self,
        spawner: Spawner,
        *,
        mesh_address: str,
        logs: Path,
        secrets: Mapping[str, str] = MappingProxyType({}),
        tls: Path | None = None,
    ) -> None:
        self._spawner = spawner
        self._mesh_address = mesh_address
        self._logs = logs
        self._secrets = secrets
        self._tls = tls

    def launch(self, launch: Launch) -> LocalProcess:
        """Start a replica.

        Raises:
            ProcessFailed: It could not be started.
        """
        process = launch.process
        owner = launch.stack_id or "baseline"
        program = Program(
            name=launch.name,
            command=(
                *(sys.executable, "-m", process.module, *process.arguments),
                *("--address", "127.0.0.1:0", "--metrics-address", "127.0.0.1:0"),
                *("--mesh-address", self._mesh_address, "--ready-fd", "{ready_fd}"),
                *("--grace-seconds", f"{_DRAIN_SECONDS:g}"),
                *(("--tls", str(self._tls)) if self._tls else ()),
            ),
            log=self._logs / owner / f"{process.service}-{launch.replica}.log",
            environment={
                **_ENVIRONMENT,
                **process.environment,
                **{name: self._secrets[name] for name in process.secrets},
            },
        )
        return LocalProcess(launch, self._spawner.spawn(program))


class LocalProcess:
    """A replica on this machine."""

    def __init__(self, launch: Launch, child: ChildProcess) -> None:
        self._launch = launch
        self._child = child

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
        return Endpoint(
            service=self._launch.process.service,
            stack_id=self._launch.stack_id,
            address=parse_address(said.get("address", ""), field="address"),
            metrics_address=parse_address(
                said.get("metrics_address", ""), field="metrics_address"
            ),
            process_id=self._child.process_id,
        )

    def exit_reason(self) -> str | None:
        """Return how it ended; None while it runs."""
        return self._child.exit_reason()

    def stop(self) -> None:
        """End it: calls in flight first, then all of its process group."""
        self._child.stop(_KILL_AFTER_SECONDS)
