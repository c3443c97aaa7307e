"""Keeps the processes of a server alive: starts again what died, and ends what hangs."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog

from experiments.server.settings import name_process
from mesh.process.child_process import Spawner
from timetravel.errors import StoreUnavailable

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from experiments.register.register import ExperimentRegister
    from mesh.process.child_process import ChildProcess, Program

SILENT_SECONDS: Final = 30.0
"""How long a process may say nothing before it is ended and started again."""
START_SECONDS: Final = 150.0
"""How long it may take until it is first heard of: its mesh starts first."""

_LOOK_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 15.0
_STEADY_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 40.0
_MICROS: Final = 1_000_000

_log = structlog.get_logger("experiments.server")


@dataclass(slots=True)
class _Kept:
    """A program that is kept running."""

    program: Program
    process: ChildProcess | None = None
    started: float = 0.0
    failures: int = 0
    not_before: float = 0.0


@dataclass(slots=True)
class Supervision:
    """Keep programs running.

    Attributes:
        programs: What is kept.
        register: Where processes say that they are alive.
        now_micros: The clock of the register.
        monotonic_seconds: The clock of pauses.
    """

    programs: Sequence[Program]
    register: ExperimentRegister
    now_micros: Callable[[], int]
    monotonic_seconds: Callable[[], float]
    _kept: list[_Kept] = field(init=False)
    _spawner: Spawner = field(init=False, default_factory=Spawner)

    def __post_init__(self) -> None:
        self._kept = [_Kept(program) for program in self.programs]

    def run(self, asked_to_stop: threading.Event) -> None:
        """Keep the programs running until asked to stop."""
        try:
            while True:
                try:
                    self.look()
                except StoreUnavailable as error:  # the database restarts, say
                    _log.warning("database_unavailable", reason=error.problem)
                if asked_to_stop.wait(_LOOK_SECONDS):
                    return
        finally:
            for kept in self._kept:
                if kept.process is not None:
                    kept.process.stop(_STOP_SECONDS)

    def look(self) -> None:
        """Start what does not run, and end what hangs."""
        heard = {one.name: one.heard_at for one in self.register.heard()}
        for kept in self._kept:
            now = self.monotonic_seconds()
            if kept.process is not None:
                reason = kept.process.exit_reason()
                if reason is None:
                    self._end_if_silent(kept, kept.process, heard)
                    continue
                self._note_end(kept, kept.process, reason)
            if now >= kept.not_before:
                kept.process = self._spawner.spawn(kept.program)
                kept.started = now
                _log.info("process_started", name=kept.program.name)

    def _end_if_silent(self, kept: _Kept, process: ChildProcess, heard: dict[str, int]) -> None:
        heard_at = heard.get(name_process(process.process_id))
        if heard_at is None:
            silent = self.monotonic_seconds() - kept.started > START_SECONDS
        else:
            silent = self.now_micros() - heard_at > SILENT_SECONDS * _MICROS
        if silent:
            _log.warning("process_silent", name=kept.program.name)
            with suppress(ProcessLookupError):
                os.killpg(process.process_id, signal.SIGKILL)

    def _note_end(self, kept: _Kept, process: ChildProcess, reason: str) -> None:
        now = self.monotonic_seconds()
        kept.failures = 1 if now - kept.started > _STEADY_SECONDS else kept.failures + 1
        pause = min(2.0 ** (kept.failures - 1) / 2, _LONGEST_PAUSE_SECONDS)
        kept.not_before = now + pause
        _log.warning(
            "process_ended", name=kept.program.name, reason=reason, pause_seconds=pause
        )
        self.register.forget(name_process(process.process_id))
        process.stop(0)  # what is left of its group
        kept.process = None
