"""How a replica's program is called, on whatever machine."""

from __future__ import annotations

import sys
from types import MappingProxyType
from typing import TYPE_CHECKING

from mesh.addresses import Address, parse_address
from mesh.processes import Program
from mesh.topology import Endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mesh.launchers.launcher import Launch

_DRAIN_SECONDS = 10.0
KILL_AFTER_SECONDS = _DRAIN_SECONDS + 5.0
"""Time between asking a replica to end and killing it."""

# Replicas share the cores; each with a pool of threads of its own only makes them wait.
_ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
)


def replica_program(
    launch: Launch, *, host: str, mesh_address: str, logs: Path, secrets: Mapping[str, str]
) -> Program:
    """Return the replica as a program of this interpreter, listening on free ports."""
    process = launch.process
    owner = launch.stack_id or "baseline"
    anywhere = str(Address(host, 0))
    return Program(
        name=launch.name,
        command=(
            *(sys.executable, "-m", process.module, *process.arguments),
            *("--address", anywhere, "--metrics-address", anywhere),
            *("--mesh-address", mesh_address, "--ready-fd", "{ready_fd}"),
            *("--grace-seconds", f"{_DRAIN_SECONDS:g}"),
        ),
        log=logs / owner / f"{process.service}-{launch.replica}.log",
        environment={
            **_ENVIRONMENT,
            **process.environment,
            **{name: secrets[name] for name in process.secrets},
        },
        limits=process.limits,
    )


def read_endpoint(launch: Launch, said: Mapping[str, str], process_id: int) -> Endpoint:
    """Return where the replica serves, of what its ready line says.

    Raises:
        InvalidInput: It says no such thing.
    """
    return Endpoint(
        service=launch.process.service,
        stack_id=launch.stack_id,
        address=parse_address(said.get("address", ""), field="address"),
        metrics_address=parse_address(said.get("metrics_address", ""), field="metrics_address"),
        process_id=process_id,
    )
