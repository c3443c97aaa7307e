"""The client of HostService: how the control plane runs processes on the host."""

from __future__ import annotations

import os
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import grpc
from google.protobuf.duration_pb2 import Duration
from pagesim.mesh.v1 import host_pb2, host_pb2_grpc

from core.grpc_status import raising_peer_errors
from mesh.channels.channels import CHANNEL_OPTIONS
from mesh.host.server import HOST_SOCKET
from mesh.host.translation import read_program, write_program
from mesh.process.child_process import explain_failure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mesh.errors import ProcessFailed
    from mesh.process.child_process import Program

_CALL_SECONDS = 10.0  # more than the host needs for what it does at once
_FRESH_SECONDS = 0.2


class HostClient:
    """Run programs through the host of a mesh directory.

    Attributes:
        host_id: Drawn at random when the host started.

    Raises:
        Unavailable: No host answers there.
    """

    def __init__(self, directory: Path) -> None:
        # Through the open directory, the path is short however long the directory's is.
        self._directory = os.open(directory, os.O_PATH | os.O_DIRECTORY)
        self._channel = grpc.insecure_channel(
            f"unix:/proc/self/fd/{self._directory}/{HOST_SOCKET}", options=CHANNEL_OPTIONS
        )
        self._stub = host_pb2_grpc.HostServiceStub(self._channel)
        self._listing = threading.Lock()
        self._listed: dict[str, host_pb2.HostedProcess] = {}
        self._listed_at = float("-inf")
        with raising_peer_errors():
            answer = self._stub.GetHost(host_pb2.GetHostRequest(), timeout=_CALL_SECONDS)
        self.host_id = answer.host_id

    def start(self, key: str, program: Program) -> HostedProcess:
        """Start the program; the same again returns what runs.

        Raises:
            ProcessExists: A different program has the key.
            ProcessFailed: It could not be started.
            UnknownSecret: It asks for a secret that the host has not got.
        """
        request = host_pb2.StartProcessRequest(process_key=key, program=write_program(program))
        with raising_peer_errors():
            answer = self._stub.StartProcess(request, timeout=_CALL_SECONDS)
        return HostedProcess(self, answer.process)

    def list(self) -> tuple[HostedProcess, ...]:
        """Return all processes, those that ended included, ordered by key."""
        return tuple(HostedProcess(self, process) for process in self._list(0.0).values())

    def find_exit_reason(self, key: str, process_id: int) -> str:
        """Return how the process ended; empty while it runs."""
        for age_seconds in (_FRESH_SECONDS, 0.0):
            found = self._list(age_seconds).get(key)
            if found is not None and found.process_id == process_id:
                return found.exit_reason
        return "it was stopped"

    def wait_ready(self, key: str, timeout_seconds: float) -> Mapping[str, str]:
        """Return what the ready line of the process says."""
        timeout = Duration()
        timeout.FromTimedelta(timedelta(seconds=timeout_seconds))
        request = host_pb2.AwaitReadyRequest(process_key=key, timeout=timeout)
        with raising_peer_errors():
            answer = self._stub.AwaitReady(request, timeout=timeout_seconds + _CALL_SECONDS)
        return dict(answer.said)

    def restart(self, key: str) -> host_pb2.HostedProcess:
        """Start the process again; return what runs now."""
        request = host_pb2.RestartProcessRequest(process_key=key)
        with raising_peer_errors():
            return self._stub.RestartProcess(request, timeout=_CALL_SECONDS).process

    def stop(self, key: str, grace_seconds: float) -> str:
        """End the process; return how it ended."""
        grace = Duration()
        grace.FromTimedelta(timedelta(seconds=grace_seconds))
        request = host_pb2.StopProcessRequest(process_key=key, grace=grace)
        with raising_peer_errors():
            answer = self._stub.StopProcess(request, timeout=grace_seconds + _CALL_SECONDS)
        return answer.exit_reason

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()
        os.close(self._directory)

    def _list(self, age_seconds: float) -> Mapping[str, host_pb2.HostedProcess]:
        # Hundreds of processes are looked after twice a second: one call tells of all.
        with self._listing:
            if time.monotonic() - self._listed_at >= age_seconds:
                with raising_peer_errors():
                    answer = self._stub.ListProcesses(
                        host_pb2.ListProcessesRequest(), timeout=_CALL_SECONDS
                    )
                self._listed = {process.process_key: process for process in answer.processes}
                self._listed_at = time.monotonic()
            return self._listed


class HostedProcess:
    """A process of the host.

    Attributes:
        key: Names it.
        program: What was started; adopted, without its environment.
        process_id: Its process id.
    """

    def __init__(self, host: HostClient, message: host_pb2.HostedProcess) -> None:
        self._host = host
        self._ended: str | None = message.exit_reason or None
        self._said: Mapping[str, str] | None = dict(message.said) or None
        self._ready = message.ready
        self.key = message.process_key
        self.program = read_program(message.program)
        self.process_id = message.process_id

    def exit_reason(self) -> str | None:
        """Return how it ended; None while it runs."""
        if self._ended is None:
            self._ended = self._host.find_exit_reason(self.key, self.process_id) or None
        return self._ended

    def wait_ready(self, timeout_seconds: float) -> Mapping[str, str]:
        """Return what the ready line says; asked again, return it again.

        Raises:
            ProcessFailed: It ended first, or said nothing in time.
            PagesimError: What the process says itself that keeps it from being ready.
        """
        if not self._ready or self._said is None:
            self._said = self._host.wait_ready(self.key, timeout_seconds)
            self._ready = True
        return self._said

    def is_ready(self) -> bool:
        """Return whether the ready line of this start was read."""
        return self._ready

    def find_ready_line(self) -> Mapping[str, str] | None:
        """Return what the ready line said last, maybe of an earlier start; None before any."""
        return self._said

    def failure(self, problem: str) -> ProcessFailed:
        """Return an error with the problem and the end of the log."""
        return explain_failure(problem, self.program.log)

    def restart(self) -> None:
        """End what is left of it and start it again, at the same addresses.

        Raises:
            UnknownProcess: It was stopped.
            ProcessFailed: It could not be started.
        """
        message = self._host.restart(self.key)
        self.process_id = message.process_id
        self._ended, self._ready = None, False

    def stop(self, grace_seconds: float) -> None:
        """End it, and all of its process group."""
        ended = self._host.stop(self.key, grace_seconds)
        self._ended = ended or self._ended or "it was stopped"
