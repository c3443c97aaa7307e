"""Probes services through Envoy: the last check before a stack is ready."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from core.errors import Unavailable
from mesh.call.context import forwarded_headers
from mesh.channels.channels import open_channel
from mesh.xds.virtual_hosts import SERVICE_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mesh.call.addresses import Address
    from mesh.security.tls import Tls
    from mesh.topology.stack import Stack

_FIRST_PAUSE_SECONDS = 0.002
_LONGEST_PAUSE_SECONDS = 0.05
_CALL_SECONDS = 2.0


class Prober:
    """Probe services as a client of the mesh does."""

    def __init__(self, mesh_address: Address, tls: Tls | None = None) -> None:
        self._channel = open_channel(mesh_address, tls)
        self._check: grpc.UnaryUnaryMultiCallable[
            health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
        ] = health_pb2_grpc.HealthStub(self._channel).Check  # type: ignore[attr-defined]  # the stubs lag behind

    def wait_serving(
        self,
        stack: Stack,
        services: Iterable[str],
        *,
        timeout_seconds: float,
        is_restarting: Callable[[], bool],
    ) -> None:
        """Wait until each service answers through the stack's routes, at its as-of.

        An acknowledgement says that Envoy has the routes; only an answer says that calls
        take them.

        Args:
            stack: Whose routes.
            services: What is to answer.
            timeout_seconds: How long to ask.
            is_restarting: Whether a process is known to be away, which time does not count.

        Raises:
            Unavailable: One does not in time; the message names it and what came instead.
        """
        deadline = time.monotonic() + timeout_seconds
        for service in services:
            pause_seconds = _FIRST_PAUSE_SECONDS
            while (fault := self._ask(stack, service)) is not None:
                if is_restarting():
                    deadline = time.monotonic() + timeout_seconds
                if time.monotonic() > deadline:
                    raise Unavailable(
                        f"{service} does not answer through the routes of stack "
                        f"{stack.stack_id}: {fault}.",
                        remedy="See the service's log in the mesh directory.",
                    )
                time.sleep(pause_seconds)
                pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)

    def _ask(self, stack: Stack, service: str) -> str | None:
        headers = {**forwarded_headers(stack.context), SERVICE_HEADER: service}
        try:
            answer = self._check(
                health_pb2.HealthCheckRequest(service=service),
                metadata=tuple(headers.items()),
                timeout=_CALL_SECONDS,
            )
        except grpc.RpcError as error:
            return f"{error.code().name}, {error.details()}"
        if answer.status != health_pb2.HealthCheckResponse.SERVING:
            return "it says that it is not serving"
        return None

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()
