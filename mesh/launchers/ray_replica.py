"""What runs inside a Ray actor: one replica, as a child process of the actor's."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import ray

from mesh.errors import PagesimError
from mesh.launchers.programs import KILL_AFTER_SECONDS, replica_program
from mesh.processes import Spawner

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mesh.launchers.launcher import Launch
    from mesh.processes import ChildProcess


class Replica:
    """Run one service program on this node; its guard ends it with the actor's process.

    Errors are returned: raised ones would arrive as Ray's.
    """

    def __init__(self) -> None:
        self._child: ChildProcess | None = None
        self._started = threading.Event()

    def start(
        self, launch: Launch, mesh_address: str, logs: Path, secrets: Mapping[str, str]
    ) -> int | PagesimError:
        """Start the program, listening where the node is known to the others."""
        program = replica_program(
            launch,
            host=ray.util.get_node_ip_address(),  # type: ignore[no-untyped-call]  # Ray's
            mesh_address=mesh_address,
            logs=logs,
            secrets=secrets,
        )
        try:
            self._child = Spawner().spawn(program)
        except PagesimError as error:
            return error
        finally:
            self._started.set()
        return self._child.process_id

    def wait_ready(self, timeout_seconds: float) -> Mapping[str, str] | PagesimError:
        """Return what the program's ready line says."""
        if self._child is None:
            raise AssertionError("it is started first")
        try:
            return self._child.wait_ready(timeout_seconds)
        except PagesimError as error:
            return error

    def wait_end(self) -> str:
        """Return how the program ended, once it has."""
        self._started.wait()
        return "a failure to start" if self._child is None else self._child.wait_end()

    def stop(self) -> str:
        """End the program and all that it started; return how it ended."""
        if self._child is not None:
            self._child.stop(KILL_AFTER_SECONDS)
        return self.wait_end()
