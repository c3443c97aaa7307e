"""Restarts the control plane when it dies, with growing pauses."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mesh.process.child_process import ChildProcess, Program, Spawner

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0
_STEADY_SECONDS = 5.0  # one that has lived for so long did not die of its start
_STOP_SECONDS = 10.0

_log = structlog.get_logger("mesh.host")


class Keeper:
    """Run one program for as long as the host runs.

    Args:
        spawner: Starts it.
        program: What to run.
        monotonic_seconds: The clock of pauses.
    """

    def __init__(
        self,
        spawner: Spawner,
        program: Program,
        *,
        monotonic_seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spawner = spawner
        self._program = program
        self._now = monotonic_seconds
        self._pause_seconds = _FIRST_PAUSE_SECONDS
        self._start_at: float | None = None
        self._started_at = 0.0
        self._child: ChildProcess | None = None

    def start(self, timeout_seconds: float) -> Mapping[str, str]:
        """Start it for the first time; return what its ready line says.

        Raises:
            ProcessFailed: It ended first, or said nothing in time.
            PagesimError: What it says itself that keeps it from being ready.
        """
        return self._spawn().wait_ready(timeout_seconds)

    def check(self) -> None:
        """Start it again if it died and its pause is over."""
        now = self._now()
        if self._child is not None and (reason := self._child.exit_reason()) is not None:
            if now - self._started_at >= _STEADY_SECONDS:
                self._pause_seconds = _FIRST_PAUSE_SECONDS
            _log.error(
                "process_restarts",
                name=self._program.name,
                reason=reason,
                pause_seconds=self._pause_seconds,
            )
            self._child.stop(0)
            self._child = None
            self._start_at = now + self._pause_seconds
            self._pause_seconds = min(self._pause_seconds * 2, _LONGEST_PAUSE_SECONDS)
        if self._start_at is not None and now >= self._start_at:
            self._spawn()

    def stop(self) -> None:
        """End it."""
        self._start_at = None
        if self._child is not None:
            self._child.stop(_STOP_SECONDS)

    def _spawn(self) -> ChildProcess:
        self._start_at = None
        self._started_at = self._now()
        self._child = self._spawner.spawn(self._program)
        return self._child
