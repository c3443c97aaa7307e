"""A gRPC server with everything that each process of the mesh has."""

from __future__ import annotations

import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
import grpc.aio
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)

from mesh.call.addresses import Address, explain_bind_failure, parse_address
from mesh.call.tracing import process_tracer
from mesh.channels.channels import MAX_MESSAGE_BYTES, MAX_METADATA_BYTES
from mesh.security.tls import server_credentials
from mesh.serving.call_metrics import CallMetrics
from mesh.serving.calls import CallInterceptor
from mesh.serving.logs import configure_logs
from mesh.serving.readiness import ReadyLine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType
    from wsgiref.simple_server import WSGIServer

    from mesh.security.tls import Tls
    from mesh.serving.options import ServingOptions

_log = structlog.get_logger("mesh.serving")

THREADS = 2048
"""Threads of a server at most; one is made when none is idle.

A call occupies one from its first header, whether its message comes or not: with as many as
are served at once, a few callers that send nothing would keep out all others, and the health
check. One connection through the mesh has 1,024 calls at most.
"""

SERVER_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.so_reuseport", 0),  # else two processes would share a port, and calls, in silence
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # Above 8 KiB gRPC would refuse a call's headers now and then.
    ("grpc.max_metadata_size", MAX_METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
    # Clients that keep a silent stream alive ping every 10 seconds or more; by default they
    # would be cut off after five pings.
    ("grpc.http2.min_ping_interval_without_data_ms", 1_000),
    ("grpc.keepalive_permit_without_calls", 1),
)


@dataclass(frozen=True, slots=True)
class Registration:
    """A service to serve.

    Attributes:
        full_name: Full gRPC name, e.g. "pagesim.ranking.v1.RankingService".
        add_to_server: Adds the servicer to a server.
        needs_context: Whether a call is refused that did not come through the mesh, or has no
            stack or as-of. Only a service that stands outside every stack may say no.
    """

    full_name: str
    add_to_server: Callable[[grpc.Server], None]
    needs_context: bool = True


class _HealthChecks(health.HealthServicer):
    """Answers health checks; whoever stops watching holds up nobody.

    The base class takes its lock in the one thread that serves the whole process, while
    another thread may hold it until that one has sent an answer: neither would ever go on.
    """

    def _on_close_callback(
        self, send_response_callback: Callable[..., None], service: str
    ) -> Callable[[], None]:
        close = super()._on_close_callback(  # type: ignore[misc]  # the stubs lag behind
            send_response_callback, service
        )
        return lambda: threading.Thread(target=close, name="unwatch", daemon=True).start()


class RunningServer:
    """A server that answers calls.

    Attributes:
        address: host:port of the gRPC server.
        metrics_address: host:port of the Prometheus endpoint.
    """

    def __init__(
        self, server: grpc.Server, checks: health.HealthServicer, metrics_server: WSGIServer
    ) -> None:
        self._server = server
        self._checks = checks
        self._metrics_server = metrics_server
        self.address = ""
        self.metrics_address = ""

    def stop(self, grace_seconds: float) -> None:
        """Say "not serving", let calls in flight end within the time, and stop."""
        self._checks.enter_graceful_shutdown()
        self._server.stop(grace_seconds).wait()
        close_metrics(self._metrics_server)


def start(
    registrations: Sequence[Registration],
    options: ServingOptions,
    *,
    registry: CollectorRegistry | None = None,
    identity: Tls | None = None,
) -> RunningServer:
    """Serve the services until the result is stopped.

    Args:
        registrations: What to serve.
        options: Where, and how.
        registry: Where metrics are collected.
        identity: Who the server is; by default a service of `options.tls`.

    Raises:
        AddressInUse: Somebody already listens on one of the addresses.
        InvalidCertificate: A file of `options.tls` cannot be read.
        InvalidInput: An address is not of this machine.
    """
    # It makes a second series for each, which nobody asks for.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = registry or CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    metrics = CallMetrics(registry, labelled_stacks=options.labelled_stacks)
    contextless = [
        registration.full_name
        for registration in registrations
        if not registration.needs_context
    ]
    server = grpc.server(
        ThreadPoolExecutor(THREADS, thread_name_prefix="call"),
        options=SERVER_OPTIONS,
        interceptors=[
            CallInterceptor(
                metrics,
                workers=options.workers,
                contextless=contextless,
                origin=options.call_origin,
                tracer=process_tracer(),
            )
        ],
    )
    names = [registration.full_name for registration in registrations]
    for one in registrations:
        one.add_to_server(server)
    checks = _HealthChecks()
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    reflection.enable_server_reflection(
        [*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server
    )
    metrics_server, metrics_address = serve_metrics(options.metrics_address, registry)
    try:
        address = listen(server, options.address, identity or options.identity)
    except BaseException:
        close_metrics(metrics_server)
        raise
    server.start()
    for name in ("", *names):
        checks.set(name, health_pb2.HealthCheckResponse.SERVING)
    running = RunningServer(server, checks, metrics_server)
    running.address, running.metrics_address = str(address), str(metrics_address)
    return running


def serve(registrations: Sequence[Registration], options: ServingOptions) -> None:
    """Serve the services until SIGTERM or SIGINT, then drain.

    Calls in flight get `options.grace_seconds` to end. When everything answers, one line of
    JSON with `address` and `metrics_address` is written to `options.ready_fd`.

    Raises:
        AddressInUse: Somebody already listens on one of the addresses.
        InvalidInput: An address is not of this machine.
    """
    configure_logs()
    asked_to_stop = stop_signals()
    running = start(registrations, options)
    _log.info(
        "serving",
        services=[registration.full_name for registration in registrations],
        address=running.address,
        metrics_address=running.metrics_address,
    )
    ReadyLine(options.ready_fd).report_addresses(
        address=running.address, metrics_address=running.metrics_address
    )
    asked_to_stop.wait()
    _log.info("draining", grace_seconds=options.grace_seconds)
    running.stop(options.grace_seconds)
    _log.info("stopped")


def stop_signals() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set; call it from the main thread."""
    asked = threading.Event()

    def ask(_signal: int, _frame: FrameType | None) -> None:
        asked.set()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    return asked


def listen(server: grpc.Server | grpc.aio.Server, text: str, identity: Tls | None) -> Address:
    """Let the server listen there, with the identity if it has one; return where it does.

    Raises:
        AddressInUse: Somebody already does.
        InvalidCertificate: A file of the identity cannot be read.
        InvalidInput: The address is not of this machine.
    """
    address = parse_address(text, field="--address")
    credentials = server_credentials(identity) if identity else None
    try:
        port = (
            server.add_secure_port(str(address), credentials)
            if credentials
            else server.add_insecure_port(str(address))
        )
    except RuntimeError:
        port = 0
    if port == 0:
        raise explain_bind_failure(address, field="--address")
    return Address(address.host, port)


def serve_metrics(text: str, registry: CollectorRegistry) -> tuple[WSGIServer, Address]:
    """Serve the Prometheus endpoint; return its server and its address.

    Raises:
        AddressInUse: Somebody already listens there.
        InvalidInput: The address is not of this machine.
    """
    address = parse_address(text, field="--metrics-address")
    try:
        metrics_server, _ = start_http_server(
            address.port, addr=address.host, registry=registry
        )
    except OSError:
        raise explain_bind_failure(address, field="--metrics-address") from None
    return metrics_server, Address(address.host, metrics_server.server_port)


def close_metrics(metrics_server: WSGIServer) -> None:
    """Stop serving the Prometheus endpoint."""
    closing = threading.Thread(target=metrics_server.shutdown)
    closing.start()
    # The server looks for its end twice a second, or when somebody knocks.
    socket.create_connection(metrics_server.socket.getsockname()[:2]).close()
    closing.join()
    metrics_server.server_close()
