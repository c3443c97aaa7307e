"""What tests of the mesh run, and how they look whether it still runs."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psutil

from mesh.host.client import HostClient
from mesh.host.directory import claim_directory
from mesh.host.programs import Programs
from mesh.host.server import serve_programs
from mesh.process.child_process import Spawner
from mesh.topology.service_process import ServiceProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIRST = "test.first.v1.FirstService"
SECOND = "test.second.v1.SecondService"


def probe_process(
    service: str,
    *,
    name: str = "",
    replicas: int = 1,
    die: str = "",
    hang: bool = False,
    needs: Path | None = None,
    awaits: Path | None = None,
) -> ServiceProcess:
    """Return how to run a probe, or one that dies, saying so, or never serves.

    One that needs a file dies at its start without it; one that awaits a file serves then.
    """
    return ServiceProcess(
        service,
        "tests.support.mesh.probe",
        (
            *("--service", service, "--name", name or service, "--die", die),
            *(["--hang"] if hang else []),
            *(["--needs", str(needs)] if needs else []),
            *(["--awaits", str(awaits)] if awaits else []),
        ),
        replicas=replicas,
    )


@contextmanager
def running_host(directory: Path) -> Iterator[HostClient]:
    """Serve a host's programs from this process; end them all at last."""
    programs = Programs(Spawner(), host_id="test")
    with claim_directory(directory) as claimed:
        server = serve_programs(programs, claimed)
        host = HostClient(directory)
        try:
            yield host
        finally:
            host.close()
            programs.stop_all(1)
            server.stop(0).wait()


def living(process_ids: set[int]) -> set[int]:
    """Return those of the processes that still run."""
    found = set()
    for process_id in process_ids:
        try:
            process = psutil.Process(process_id)
            # A zombie with threads is one whose main thread ended before the others.
            if process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1:
                found.add(process_id)
        except psutil.NoSuchProcess:
            continue
    return found


def descendants(process_id: int) -> set[int]:
    """Return the processes that the process started, and they in turn."""
    return {child.pid for child in psutil.Process(process_id).children(recursive=True)}


def children_named(process_id: int, argument: str) -> list[int]:
    """Return the children of the process that have the argument on their command line."""
    found = []
    for child in psutil.Process(process_id).children():
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            if argument in child.cmdline():
                found.append(child.pid)
    return found


def find_control_plane(mesh_process_id: int) -> int:
    """Return the process id of the control plane of a mesh, once there is one."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = children_named(mesh_process_id, "mesh.control.process")
        if found:
            return found[0]
        time.sleep(0.01)
    raise AssertionError("no control plane was started")


def wait_gone(process_ids: set[int]) -> set[int]:
    """Return those of the processes that are still there after a while."""
    deadline = time.monotonic() + 10
    while living(process_ids) and time.monotonic() < deadline:
        time.sleep(0.01)
    return living(process_ids)
