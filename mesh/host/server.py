"""HostService: the programs of a host over gRPC, on a Unix socket of the mesh directory."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
from pagesim.mesh.v1 import host_pb2, host_pb2_grpc
from prometheus_client import CollectorRegistry

from core.timestamps import decode_duration
from mesh.host.translation import read_program, write_process
from mesh.serving.call_metrics import CallMetrics
from mesh.serving.calls import CallInterceptor
from mesh.serving.server import SERVER_OPTIONS

if TYPE_CHECKING:
    from mesh.host.programs import Programs

HOST_SOCKET = "host.sock"
SERVICE: str = host_pb2.DESCRIPTOR.services_by_name["HostService"].full_name

_WORKERS = 256  # a call that waits for a process, to begin or to end, holds one
_LONGEST_WAIT_SECONDS = 86400.0
_PRIVATE_UMASK = 0o177


class HostServicer(host_pb2_grpc.HostServiceServicer):
    """Translate messages, and nothing else."""

    def __init__(self, programs: Programs) -> None:
        self._programs = programs

    def GetHost(
        self, request: host_pb2.GetHostRequest, context: grpc.ServicerContext
    ) -> host_pb2.GetHostResponse:
        """Describe the host."""
        del request, context
        return host_pb2.GetHostResponse(host_id=self._programs.host_id)

    def StartProcess(
        self, request: host_pb2.StartProcessRequest, context: grpc.ServicerContext
    ) -> host_pb2.StartProcessResponse:
        """Start a program."""
        del context
        started = self._programs.start(request.process_key, read_program(request.program))
        return host_pb2.StartProcessResponse(process=write_process(started))

    def AwaitReady(
        self, request: host_pb2.AwaitReadyRequest, context: grpc.ServicerContext
    ) -> host_pb2.AwaitReadyResponse:
        """Wait for a ready line."""
        del context
        seconds = decode_duration(
            request.timeout, field="timeout", most_seconds=_LONGEST_WAIT_SECONDS
        )
        said = self._programs.find(request.process_key).wait_ready(seconds)
        return host_pb2.AwaitReadyResponse(said=said)

    def RestartProcess(
        self, request: host_pb2.RestartProcessRequest, context: grpc.ServicerContext
    ) -> host_pb2.RestartProcessResponse:
        """Start a process again."""
        del context
        running = self._programs.find(request.process_key)
        running.restart()
        return host_pb2.RestartProcessResponse(process=write_process(running))

    def ListProcesses(
        self, request: host_pb2.ListProcessesRequest, context: grpc.ServicerContext
    ) -> host_pb2.ListProcessesResponse:
        """List all processes."""
        del request, context
        processes = [write_process(process) for process in self._programs.list()]
        return host_pb2.ListProcessesResponse(processes=processes)

    def StopProcess(
        self, request: host_pb2.StopProcessRequest, context: grpc.ServicerContext
    ) -> host_pb2.StopProcessResponse:
        """End a process."""
        del context
        grace_seconds = decode_duration(
            request.grace, field="grace", most_seconds=_LONGEST_WAIT_SECONDS
        )
        running = {process.key: process for process in self._programs.list()}.get(
            request.process_key
        )
        if running is None:
            return host_pb2.StopProcessResponse()
        running.stop(grace_seconds)
        return host_pb2.StopProcessResponse(exit_reason=running.exit_reason() or "")


def serve_programs(programs: Programs, directory: int) -> grpc.Server:
    """Serve the programs on a socket that only this user can open.

    Args:
        programs: What runs.
        directory: Descriptor of the open mesh directory.
    """
    metrics = CallMetrics(CollectorRegistry(), labelled_stacks=1)
    server = grpc.server(
        ThreadPoolExecutor(_WORKERS, thread_name_prefix="host"),
        options=SERVER_OPTIONS,
        interceptors=[CallInterceptor(metrics, workers=_WORKERS, contextless=[SERVICE])],
    )
    host_pb2_grpc.add_HostServiceServicer_to_server(HostServicer(programs), server)
    # Through the open directory, the path is short however long the directory's is.
    path = Path(f"/proc/self/fd/{directory}/{HOST_SOCKET}")
    path.unlink(missing_ok=True)
    umask = os.umask(_PRIVATE_UMASK)
    try:
        server.add_insecure_port(f"unix:{path}")
    finally:
        os.umask(umask)
    server.start()
    return server
