"""Child processes that cannot outlive their parent, each with a log file and a ready line."""

from __future__ import annotations

import json
import os
import queue
import selectors
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from core.errors import find_error
from mesh.errors import ProcessFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import IO

_PARENT_DEATH = Path(__file__).with_name("parent_death.py")
_TOLD_LINES = 15
_TOLD_BYTES = 8192
_READY_FD = "{ready_fd}"

_log = structlog.get_logger("mesh.process")


@dataclass(frozen=True, slots=True)
class Program:
    """A program to run as a child process.

    Attributes:
        name: What to call it in messages, e.g. "pagesim.ranking.v1.RankingService of trial".
        command: Program and arguments; "{ready_fd}" stands for the number of the file
            descriptor that gets the ready line. A host also knows "{address}" and
            "{metrics_address}": addresses that stay the program's own until it is stopped.
        log: File that gets its output; None means that it goes where ours goes.
        environment: Variables added to ours.
        directory: Where it runs; None means where we run.
        secrets: Names of secrets that a host adds to the environment.
        essential: Whether a host ends when the program does.
        description: What a host tells again about it, without reading it.
    """

    name: str
    command: tuple[str, ...]
    log: Path | None
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = None
    secrets: tuple[str, ...] = ()
    essential: bool = False
    description: str = ""


class Spawner:
    """Start child processes, all from one thread that lives as long as we do.

    The guard's death signal comes when the starting *thread* ends, so a thread of some
    pool must not start them.
    """

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[tuple[Program, Future[ChildProcess]]] = (
            queue.SimpleQueue()
        )
        threading.Thread(target=self._run, name="spawner", daemon=True).start()

    def spawn(self, program: Program) -> ChildProcess:
        """Start the program in a process group of its own.

        Raises:
            ProcessFailed: It could not be started.
        """
        started: Future[ChildProcess] = Future()
        self._waiting.put((program, started))
        return started.result()

    def _run(self) -> None:
        while True:
            program, started = self._waiting.get()
            try:
                started.set_result(_start(program))
            except (OSError, ValueError) as error:  # of a NUL character, say
                started.set_exception(
                    ProcessFailed(
                        f"{program.name} could not be started: {error}.",
                        remedy=f"Check that {program.command[0]} and the directory of its "
                        "log are there.",
                    )
                )


class ChildProcess:
    """A running child process and its process group."""

    def __init__(self, program: Program, popen: subprocess.Popen[bytes], ready: int) -> None:
        self._program = program
        self._popen = popen
        self._ready: int | None = ready
        self._stopping = threading.Lock()

    @property
    def name(self) -> str:
        """What messages call it."""
        return self._program.name

    @property
    def process_id(self) -> int:
        """Its process id, which is its group's id too."""
        return self._popen.pid

    def exit_reason(self) -> str | None:
        """Return how the process ended, e.g. "exit code 3"; None while it runs."""
        code = self._popen.poll()
        if code is None:
            return None
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def wait_ready(self, timeout_seconds: float) -> Mapping[str, str]:
        """Return what the ready line says, by name.

        Raises:
            ProcessFailed: The process ended first, or said nothing in time; the message
                holds the end of its log.
            PagesimError: What the process says itself that keeps it from being ready.
        """
        line = self._read_ready_line(timeout_seconds)
        if line.endswith(b"\n"):
            said = {str(name): str(value) for name, value in json.loads(line).items()}
            if "error" in said:
                raise find_error(said["error"])(
                    said["problem"], remedy=said["remedy"], field=said["field"]
                )
            return said
        if line:
            raise self.failure(f"{self.name} broke off its ready line")
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(1)  # the descriptor closes a little before the process ends
        reason = self.exit_reason()
        if reason is not None:
            raise self.failure(f"{self.name} ended with {reason} before it was ready")
        raise self.failure(f"{self.name} was not ready within {timeout_seconds:g} seconds")

    def failure(self, problem: str) -> ProcessFailed:
        """Return an error with the problem and the end of the log."""
        return explain_failure(problem, self._program.log)

    def _read_ready_line(self, timeout_seconds: float) -> bytes:
        deadline = time.monotonic() + timeout_seconds
        line = b""
        ready_fd, self._ready = self._ready, None
        if ready_fd is None:
            raise AssertionError("the ready line comes once")
        with selectors.DefaultSelector() as selector, os.fdopen(ready_fd, "rb", 0) as ready:
            selector.register(ready, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if not selector.select(max(deadline - time.monotonic(), 0)):
                    return line
                part = ready.read(4096)
                if not part:
                    return line
                line += part
        return line

    def stop(self, grace_seconds: float) -> None:
        """Ask the process to end, then make sure that nothing of its group is left."""
        with self._stopping:
            if self._ready is not None:
                os.close(self._ready)
                self._ready = None
            if self._popen.poll() is None:
                self._popen.terminate()
            try:
                self._popen.wait(grace_seconds)
            except subprocess.TimeoutExpired:
                _log.warning("process_killed", name=self.name, grace_seconds=grace_seconds)
            with suppress(ProcessLookupError):
                os.killpg(self._popen.pid, signal.SIGKILL)
            self._popen.wait()


def explain_failure(problem: str, log: Path | None) -> ProcessFailed:
    """Return an error with the problem and the end of the log, if there is one."""
    if log is None:
        return ProcessFailed(f"{problem}.", remedy="What it said stands before this.")
    return ProcessFailed(
        f"{problem}. Its log ends:\n{_read_end(log)}\n", remedy=f"The log is {log}."
    )


def _start(program: Program) -> ChildProcess:
    ready, child_ready = os.pipe()
    command = [part.replace(_READY_FD, str(child_ready)) for part in program.command]
    wrapper = [sys.executable, "-I", "-S", str(_PARENT_DEATH), str(os.getpid())]
    try:
        with _open_log(program.log) as log:
            popen = subprocess.Popen(  # noqa: S603 - what we were asked to run, without a shell
                [*wrapper, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=None if log is None else subprocess.STDOUT,
                pass_fds=(child_ready,),
                env={**os.environ, **program.environment},
                cwd=program.directory,
                start_new_session=True,
            )
    except (OSError, ValueError):
        os.close(ready)
        raise
    finally:
        os.close(child_ready)
    return ChildProcess(program, popen, ready)


@contextmanager
def _open_log(log: Path | None) -> Iterator[IO[bytes] | None]:
    if log is None:
        yield None
    else:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            yield file


def _read_end(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(log.stat().st_size - _TOLD_BYTES, 0))
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join(f"    {line}" for line in lines[-_TOLD_LINES:]) or "    (it is empty)"
