"""Replicas of services, run as child processes by this machine's host.

They outlive the control plane but not the host.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mesh.call.addresses import parse_address
from mesh.errors import ProcessFailed
from mesh.process.child_process import Program
from mesh.security.call_origin import CALL_SECRET_VARIABLE
from mesh.topology.baseline_file import describe_process, parse_process
from mesh.topology.process_files import check_contents, file_variables
from mesh.topology.stack import Endpoint
from mesh.topology.topology import cluster_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mesh.host.client import HostClient, HostedProcess
    from mesh.security.call_origin import CallKey
    from mesh.topology.service_process import ServiceProcess

_DRAIN_SECONDS = 10.0
_KILL_AFTER_SECONDS = _DRAIN_SECONDS + 5.0
_KEYS = "replica/"
_ENVIRONMENT: Mapping[str, str] = {
    # Replicas share the cores; each with a pool of threads of its own only makes them wait.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    # Of glibc, in bytes. Each batch asks for the same megabytes as the one before: to give them
    # back between batches, and clear them anew, takes a tenth of the CPU of pages.
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
}


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


class Launcher:
    """Run replicas with this interpreter, on loopback ports of their own.

    Args:
        host: Runs the processes.
        mesh_address: host:port through which they call each other.
        logs: Directory that gets a directory per stack and a file per replica.
        call_key: Gives the secrets by which they know the mesh's calls; None with `tls`.
        tls: Directory of the certificates with which they prove who they are.
    """

    def __init__(
        self,
        host: HostClient,
        *,
        mesh_address: str,
        logs: Path,
        call_key: CallKey | None,
        tls: Path | None = None,
    ) -> None:
        self._host = host
        self._mesh_address = mesh_address
        self._logs = logs
        self._call_key = call_key
        self._tls = tls

    def launch(self, launch: Launch) -> Replica:
        """Start a replica.

        Raises:
            ProcessFailed: It could not be started.
            WrongFile: A file of it is not there, or not what it should be.
        """
        process = launch.process
        check_contents(process.files)
        owner = launch.stack_id or "baseline"
        program = Program(
            name=launch.name,
            command=self._command(launch),
            log=self._logs / owner / f"{process.service}-{launch.replica}.log",
            environment={
                **_ENVIRONMENT,
                "OTEL_SERVICE_NAME": process.service,  # else traces could not tell them apart
                **process.environment,
                **file_variables(process.files),
                **self._call_secret(launch),
            },
            secrets=process.secrets,
            description=_describe(launch),
        )
        key = f"{_KEYS}{launch.stack_id}/{process.service}/{launch.replica}"
        return Replica(launch, self._host.start(key, program))

    def _call_secret(self, launch: Launch) -> dict[str, str]:
        if self._call_key is None:
            return {}
        cluster = cluster_name(launch.process.service, launch.stack_id)
        return {CALL_SECRET_VARIABLE: self._call_key.secret_of(cluster)}

    def _command(self, launch: Launch) -> tuple[str, ...]:
        process = launch.process
        if not process.command:
            return (
                *(sys.executable, "-m", process.module, *process.arguments),
                *("--address", "{address}", "--metrics-address", "{metrics_address}"),
                *("--mesh-address", self._mesh_address, "--ready-fd", "{ready_fd}"),
                *("--grace-seconds", f"{_DRAIN_SECONDS:g}"),
                *(("--tls", str(self._tls)) if self._tls else ()),
            )
        program = shutil.which(process.command[0])
        if program is None:
            raise ProcessFailed(
                f"{launch.name} could not be started: there is no program "
                f"{process.command[0]}.",
                remedy="Install it, or give its whole path.",
            )
        arguments = (
            part.replace("{mesh_address}", self._mesh_address) for part in process.command[1:]
        )
        return program, *arguments

    def list_running(self) -> tuple[Replica, ...]:
        """Return all replicas that were started and not stopped, by whomever.

        A control plane that was started again learns from this what it has.
        """
        return tuple(
            Replica(_read_description(process.program.description), process)
            for process in self._host.list()
            if process.key.startswith(_KEYS)
        )


class Replica:
    """A replica on this machine."""

    def __init__(self, launch: Launch, process: HostedProcess) -> None:
        self._launch = launch
        self._process = process

    @property
    def launch(self) -> Launch:
        """What was asked for."""
        return self._launch

    def wait_ready(self, timeout_seconds: float) -> Endpoint:
        """Wait until it serves; return where.

        Raises:
            ProcessFailed: It ended first or took too long.
        """
        return self._endpoint(self._process.wait_ready(timeout_seconds))

    def is_ready(self) -> bool:
        """Return whether it was ready since it was started last."""
        return self._process.is_ready()

    def find_endpoint(self) -> Endpoint | None:
        """Return where it serves, without waiting; None until it was ready once.

        A replica that is being restarted keeps its place, so that nobody else is called
        instead.
        """
        said = self._process.find_ready_line()
        return None if said is None else self._endpoint(said)

    def exit_reason(self) -> str | None:
        """Return how it ended; None while it runs."""
        return self._process.exit_reason()

    def restart(self) -> None:
        """End what is left of it and start it again, where it was.

        Nobody else is ever given its address, so that no call meant for it goes astray
        while it is away.

        Raises:
            UnknownProcess: It was stopped.
            ProcessFailed: It could not be started.
            WrongFile: A file of it is not there any more, or not what it was.
        """
        check_contents(self._launch.process.files)
        self._process.restart()

    def stop(self) -> None:
        """End it: calls in flight first, then all of its process group."""
        self._process.stop(_KILL_AFTER_SECONDS)

    def _endpoint(self, said: Mapping[str, str]) -> Endpoint:
        return Endpoint(
            service=self._launch.process.service,
            stack_id=self._launch.stack_id,
            address=parse_address(said.get("address", ""), field="address"),
            metrics_address=parse_address(
                said.get("metrics_address", ""), field="metrics_address"
            ),
            process_id=self._process.process_id,
        )


def _describe(launch: Launch) -> str:
    return json.dumps(
        {
            "process": describe_process(launch.process),
            "stack_id": launch.stack_id,
            "replica": launch.replica,
        }
    )


def _read_description(text: str) -> Launch:
    described = json.loads(text)
    return Launch(
        parse_process(described["process"]), described["stack_id"], described["replica"]
    )
