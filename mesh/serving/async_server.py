"""Serving with asyncio: like `mesh.serving.server`, for handlers that are coroutines."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
import grpc.aio
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector

from mesh.call.tracing import process_tracer
from mesh.serving.async_calls import AsyncCallInterceptor
from mesh.serving.call_metrics import CallMetrics
from mesh.serving.logs import configure_logs
from mesh.serving.readiness import ReadyLine
from mesh.serving.server import SERVER_OPTIONS, close_metrics, listen, serve_metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mesh.serving.options import ServingOptions

_log = structlog.get_logger("mesh.serving")


@dataclass(frozen=True, slots=True)
class AsyncRegistration:
    """A service to serve whose handlers are coroutines.

    Attributes:
        full_name: Full gRPC name, e.g. "pagesim.ranking.v1.RankingService".
        add_to_server: Adds the servicer to a server.
    """

    full_name: str
    add_to_server: Callable[[grpc.aio.Server], None]


async def serve_async(
    registrations: Sequence[AsyncRegistration], options: ServingOptions
) -> None:
    """Serve the services until SIGTERM or SIGINT, then drain, as `serve` does.

    Raises:
        AddressInUse: Somebody already listens on one of the addresses.
        InvalidCertificate: A file of `options.tls` cannot be read.
        InvalidInput: An address is not of this machine.
    """
    configure_logs()
    asked_to_stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked_to_stop.set)
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    metrics = CallMetrics(registry, labelled_stacks=options.labelled_stacks)
    server = grpc.aio.server(
        options=SERVER_OPTIONS,
        interceptors=[
            AsyncCallInterceptor(metrics, origin=options.call_origin, tracer=process_tracer())
        ],
    )
    names = [registration.full_name for registration in registrations]
    for one in registrations:
        one.add_to_server(server)
    checks = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    reflection.enable_server_reflection(
        [*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server
    )
    metrics_server, metrics_address = serve_metrics(options.metrics_address, registry)
    try:
        address = listen(server, options.address, options.identity)
        await server.start()
        for name in ("", *names):
            await checks.set(name, health_pb2.HealthCheckResponse.SERVING)
        told = {"address": str(address), "metrics_address": str(metrics_address)}
        _log.info("serving", services=names, **told)
        ReadyLine(options.ready_fd).report_addresses(**told)
        await asked_to_stop.wait()
        _log.info("draining", grace_seconds=options.grace_seconds)
        await checks.enter_graceful_shutdown()
        await server.stop(options.grace_seconds)
        _log.info("stopped")
    finally:
        close_metrics(metrics_server)
