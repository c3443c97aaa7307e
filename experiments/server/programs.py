"""The programs that a server keeps running."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from mesh.process.child_process import Program

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from experiments.server.settings import ServerSettings

DOORS = "doors"
CONTROLLER = "controller"
WORKER = "worker"


def describe_programs(
    settings: ServerSettings, logs: Path, *, address: str, workers: int, stacks: int
) -> Sequence[Program]:
    """Return doors, a controller and workers.

    Args:
        settings: What they are told.
        logs: Gets their logs, and those of their meshes.
        address: host:port at which the doors listen, whenever they are started.
        workers: How many; each has a mesh of its own.
        stacks: Of each worker at a time.
    """

    def describe(name: str, *arguments: str) -> Program:
        return Program(
            name=name,
            command=(
                *(sys.executable, "-m", "experiments.server", *arguments),
                *settings.arguments,
            ),
            log=logs / f"{name}.log",
            environment=settings.environment,
        )

    names = [f"{WORKER}-{number}" for number in range(workers)]
    return (
        describe(DOORS, DOORS, "--address", address),
        describe(CONTROLLER, CONTROLLER),
        *(
            describe(name, WORKER, "--stacks", str(stacks), "--logs", str(logs / name))
            for name in names
        ),
    )
