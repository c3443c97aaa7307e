"""Replicas that are started again when they end by themselves, with any launcher."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import structlog

from mesh.errors import PagesimError

if TYPE_CHECKING:
    from mesh.launchers.launcher import Launch, Launcher, RunningProcess
    from mesh.topology import Endpoint

_POLL_SECONDS = 0.05
_PAUSE_SECONDS = 0.5  # after a restart that failed

_log = structlog.get_logger("mesh.launchers.restarts")


class RestartingLauncher:
    """Start a replica again, elsewhere if need be, when it ends without being asked to.

    Only replicas that have served are started again: one that cannot start is an error of
    whoever asked for it.

    Args:
        launcher: Starts them.
        restarts: How often each may be started again.
        start_timeout_seconds: How long each start may take.
    """

    def __init__(
        self, launcher: Launcher, *, restarts: int, start_timeout_seconds: float
    ) -> None:
        self._launcher = launcher
        self._restarts = restarts
        self._start_timeout_seconds = start_timeout_seconds

    def launch(self, launch: Launch) -> RestartedProcess:
        """Start a replica.

        Raises:
            Infeasible: No machine has what it needs.
            ProcessFailed: It could not be started.
        """
        return RestartedProcess(
            self._launcher, launch, self._restarts, self._start_timeout_seconds
        )


class RestartedProcess:
    """A replica that is whatever process stands for it now."""

    def __init__(
        self, launcher: Launcher, launch: Launch, restarts: int, start_timeout_seconds: float
    ) -> None:
        self._launcher = launcher
        self._restarts = restarts
        self._start_timeout_seconds = start_timeout_seconds
        self._changing = threading.Lock()
        self._stopping = threading.Event()
        self._running: RunningProcess = launcher.launch(launch)
        self._endpoint: Endpoint | None = None
        self._ended: str | None = None
        self._watcher: threading.Thread | None = None

    @property
    def launch(self) -> Launch:
        """What was asked for."""
        return self._running.launch

    def wait_ready(self, timeout_seconds: float) -> Endpoint:
        """Wait until it serves for the first time; return where.

        Raises:
            ProcessFailed: It ended first or took too long.
        """
        endpoint = self._running.wait_ready(timeout_seconds)
        self._endpoint = endpoint
        self._watcher = threading.Thread(target=self._watch, name="restarts", daemon=True)
        self._watcher.start()
        return endpoint

    def endpoint(self) -> Endpoint | None:
        """Return where it serves now; None while it does not."""
        return self._endpoint if self._running.exit_reason() is None else None

    def exit_reason(self) -> str | None:
        """Return how it ended for good; None while it runs or is started again."""
        if self._watcher is None:
            return self._running.exit_reason()
        return self._ended

    def stop(self) -> None:
        """End it for good: calls in flight first, then all that belongs to it."""
        self._stopping.set()
        with self._changing:
            self._running.stop()
            self._ended = self._ended or self._running.exit_reason()
        if self._watcher is not None:
            self._watcher.join()

    def _watch(self) -> None:
        left = self._restarts
        while not self._stopping.wait(_POLL_SECONDS):
            reason = self._running.exit_reason()
            if reason is None:
                continue
            if not left:
                self._ended = reason
                return
            left -= 1
            self._start_again(reason)

    def _start_again(self, reason: str) -> None:
        name = self.launch.name
        began = time.perf_counter()
        self._endpoint = None
        self._running.stop()  # what it left behind
        try:
            with self._changing:
                if self._stopping.is_set():
                    return
                self._running = self._launcher.launch(self.launch)
            self._endpoint = self._running.wait_ready(self._start_timeout_seconds)
        except PagesimError as error:
            _log.warning("process_not_restarted", name=name, problem=error.problem)
            self._running.stop()
            self._stopping.wait(_PAUSE_SECONDS)
            return
        seconds = round(time.perf_counter() - began, 3)
        address = str(self._endpoint.address)
        _log.warning(
            "process_restarted", name=name, reason=reason, address=address, seconds=seconds
        )
