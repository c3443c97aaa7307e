"""The programs that a host runs, by key."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from core.errors import PagesimError
from mesh.call.addresses import Address
from mesh.errors import ProcessExists, UnknownProcess, UnknownSecret
from mesh.host.listening import wait_listening
from mesh.host.ports import ReservedPort

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mesh.errors import ProcessFailed
    from mesh.process.child_process import ChildProcess, Program, Spawner


_ANY_PORT = Address("127.0.0.1", 0)
_ADDRESSES = ("address", "metrics_address")
_PLACES_TO_LISTEN = ("{address}", "{port}")


class Programs:
    """Run programs as children of this process.

    Args:
        spawner: Starts them.
        host_id: Names this host.
        secrets: Environment variables for the programs that ask for them.
    """

    def __init__(
        self,
        spawner: Spawner,
        *,
        host_id: str,
        secrets: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._spawner = spawner
        self._secrets = secrets
        self._lock = threading.Lock()
        self._running: dict[str, RunningProgram] = {}
        self.host_id = host_id

    def start(self, key: str, program: Program) -> RunningProgram:
        """Start the program; the same again returns what runs.

        Raises:
            ProcessExists: A different program has the key.
            ProcessFailed: It could not be started.
            UnknownSecret: It asks for a secret that the host has not got.
        """
        if absent := [name for name in program.secrets if name not in self._secrets]:
            raise UnknownSecret(
                f"{program.name} asks for {', '.join(absent)}, which was not given.",
                remedy="Name it among the secrets of the baseline, and start the mesh anew.",
                field="secrets",
            )
        with self._lock:
            present = self._running.get(key)
            if present is None:
                secrets = {name: self._secrets[name] for name in program.secrets}
                present = RunningProgram(self, key, program, self._spawner, secrets)
                self._running[key] = present
        if present.program != program:
            raise ProcessExists(
                f"A different program runs under {key!r}.", remedy="Stop it first."
            )
        return present

    def find(self, key: str) -> RunningProgram:
        """Return the process.

        Raises:
            UnknownProcess: There is none of that key.
        """
        with self._lock:
            found = self._running.get(key)
        if found is None:
            raise UnknownProcess(
                f"No process is called {key!r}.", remedy="Start it, or list what there is."
            )
        return found

    def list(self) -> tuple[RunningProgram, ...]:
        """Return all processes, those that ended included, ordered by key."""
        with self._lock:
            return tuple(process for _, process in sorted(self._running.items()))

    def check(self) -> None:
        """Check that what must run runs.

        Raises:
            ProcessFailed: An essential program ended; the message holds the end of its log.
        """
        for process in self.list():
            if process.program.essential and (reason := process.exit_reason()) is not None:
                raise process.failure(f"{process.program.name} ended with {reason}")

    def stop_all(self, grace_seconds: float) -> None:
        """End all processes: those that others need last."""
        for essential in (False, True):
            chosen = [
                process for process in self.list() if process.program.essential is essential
            ]
            if chosen:
                with ThreadPoolExecutor(len(chosen), thread_name_prefix="stop") as stopping:
                    list(stopping.map(lambda one: one.stop(grace_seconds), chosen))

    def forget(self, process: RunningProgram) -> None:
        """Drop a process that is gone."""
        with self._lock:
            if self._running.get(process.key) is process:
                del self._running[process.key]


class RunningProgram:
    """A child of the host.

    Attributes:
        key: Names it.
        program: What was started, without the values of its secrets.
    """

    def __init__(
        self,
        programs: Programs,
        key: str,
        program: Program,
        spawner: Spawner,
        secrets: Mapping[str, str],
    ) -> None:
        self._programs = programs
        self._spawner = spawner
        self._secrets = secrets
        self._changing = threading.Lock()
        self._stopped = False
        self._said_before: Mapping[str, str] | None = None
        self.key = key
        self.program = program
        listens = any(place in part for part in program.command for place in _PLACES_TO_LISTEN)
        self._ports = {
            name: ReservedPort(_ANY_PORT, field=name)
            for name in (_ADDRESSES if listens else ())
        }
        try:
            self._spawn()
        except PagesimError:
            self._release()
            raise

    @property
    def process_id(self) -> int:
        """Its process id, which is its group's id too."""
        return self._child.process_id

    def exit_reason(self) -> str | None:
        """Return how it ended; None while it runs."""
        return self._child.exit_reason()

    def wait_ready(self, timeout_seconds: float) -> Mapping[str, str]:
        """Return what the ready line says; asked again, return it again.

        Raises:
            ProcessFailed: It ended first, or said nothing in time.
            PagesimError: What the process says itself that keeps it from being ready.
        """
        return self._line.wait(timeout_seconds)

    def is_ready(self) -> bool:
        """Return whether the ready line of this start was read."""
        return self._line.said is not None

    def find_ready_line(self) -> Mapping[str, str] | None:
        """Return what the ready line said last, maybe of an earlier start; None before any."""
        return self._line.said or self._said_before

    def failure(self, problem: str) -> ProcessFailed:
        """Return an error with the problem and the end of the log."""
        return self._child.failure(problem)

    def restart(self) -> None:
        """End what is left of it and start it again, at the same addresses.

        Raises:
            UnknownProcess: It was stopped.
            ProcessFailed: It could not be started.
        """
        with self._changing:
            if self._stopped:
                raise UnknownProcess(f"{self.key!r} was stopped.", remedy="Start it anew.")
            self._child.stop(0)
            self._said_before = self.find_ready_line()
            self._spawn()

    def stop(self, grace_seconds: float) -> None:
        """End it, and all of its process group."""
        with self._changing:
            self._stopped = True
            self._child.stop(grace_seconds)
            self._release()
        self._programs.forget(self)

    def _spawn(self) -> None:
        places = {f"{{{name}}}": str(port.address) for name, port in self._ports.items()}
        if "address" in self._ports:
            places["{port}"] = str(self._ports["address"].address.port)
        environment = {**self.program.environment, **self._secrets}
        self._child = self._spawner.spawn(
            replace(
                self.program,
                command=tuple(_fill(part, places) for part in self.program.command),
                environment=environment,
            )
        )
        tells = any("{ready_fd}" in part for part in self.program.command)
        addresses = {name: port.address for name, port in self._ports.items()}
        self._line = _Line(self._child, {} if tells else addresses)

    def _release(self) -> None:
        for port in self._ports.values():
            port.close()


class _Line:
    """What makes a child ready, which comes once and is told often.

    Args:
        child: The process.
        addresses: Where it will listen if it writes no ready line.
    """

    def __init__(self, child: ChildProcess, addresses: Mapping[str, Address]) -> None:
        self._child = child
        self._addresses = addresses
        self._reading = threading.Lock()
        self._error: PagesimError | None = None
        self.said: Mapping[str, str] | None = None

    def wait(self, timeout_seconds: float) -> Mapping[str, str]:
        with self._reading:
            if self.said is None and self._error is None:
                try:
                    self.said = self._wait(timeout_seconds)
                except PagesimError as error:
                    self._error = error
        if self.said is None:
            raise self._error or AssertionError("there is a line or an error")
        return self.said

    def _wait(self, timeout_seconds: float) -> Mapping[str, str]:
        if "address" not in self._addresses:
            return self._child.wait_ready(timeout_seconds)
        wait_listening(self._child, self._addresses["address"], timeout_seconds)
        return {name: str(address) for name, address in self._addresses.items()}


def _fill(part: str, places: Mapping[str, str]) -> str:
    for place, value in places.items():
        part = part.replace(place, value)
    return part
