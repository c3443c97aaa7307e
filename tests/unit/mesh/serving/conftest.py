"""Probes served in this process, as every process of the mesh is served."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from mesh.call.context import CallContext
from mesh.serving import Registration, RunningServer, ServingOptions, start
from tests.support.mesh.probe import Probe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import grpc

SERVICE = "test.probe.v1.ProbeService"


@pytest.fixture
def start_probe() -> Iterator[Callable[..., RunningServer]]:
    """Start probes that stop with the test."""
    with ExitStack() as running:

        def start_one(
            peers: grpc.Channel | None = None,
            options: ServingOptions | None = None,
            *,
            needs_context: bool = True,
        ) -> RunningServer:
            registration = Probe(SERVICE, peers=peers).registration
            server = start(
                [Registration(SERVICE, registration.add_to_server, needs_context)],
                options or ServingOptions(),
            )
            running.callback(server.stop, 0)
            return server

        yield start_one


@pytest.fixture
def context() -> CallContext:
    """A context with everything in it."""
    return CallContext(
        stack="trial",
        as_of_micros=1_500_000_000_000_000,
        known_by_micros=1_600_000_000_000_000,
        snapshot=7,
        variant="control",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
