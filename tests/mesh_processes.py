"""What tests of the mesh run, and how they look whether it still runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psutil

from mesh.topology import ServiceProcess

if TYPE_CHECKING:
    from pathlib import Path

FIRST = "test.first.v1.FirstService"
SECOND = "test.second.v1.SecondService"


def probe_process(
    service: str, *, name: str = "", replicas: int = 1, die: str = "", hang: bool = False
) -> ServiceProcess:
    """Return how to run a probe, or one that dies, saying so, or never serves."""
    return ServiceProcess(
        service,
        "tests.mesh_probe",
        (
            *("--service", service, "--name", name or service, "--die", die),
            *(["--hang"] if hang else []),
        ),
        replicas=replicas,
    )


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


def wait_gone(process_ids: set[int]) -> set[int]:
    """Return those of the processes that are still there after a while."""
    deadline = time.monotonic() + 10
    while living(process_ids) and time.monotonic() < deadline:
        time.sleep(0.01)
    return living(process_ids)


def read_family(told: Path) -> set[int]:
    """Return the processes of a family of tests.limited_process, once they run."""
    deadline = time.monotonic() + 60
    while not told.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return {int(process_id) for process_id in told.read_text().split()}
