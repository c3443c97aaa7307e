"""One real mesh for the tests of this directory; stacks keep them apart."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import count
from typing import TYPE_CHECKING

import grpc
import pytest

from mesh.call.context import run_in_context, use_context
from mesh.client.mesh_process import MeshProcess
from mesh.serving import connect
from mesh.topology.stack import Stack
from tests.support.mesh.probe import ProbeClient
from tests.support.mesh.processes import FIRST, SECOND, probe_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mesh.topology.service_process import ServiceProcess
    from mesh.topology.stack import StackStatus

AS_OF = 1_525_176_000_000_000  # 2018-05-01T12:00:00Z


@pytest.fixture(scope="session")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeshProcess]:
    """A mesh whose baseline is two probes."""
    baseline = [probe_process(FIRST), probe_process(SECOND)]
    patience = ("--probe-timeout-seconds", "5")
    directory = tmp_path_factory.mktemp("mesh")
    with MeshProcess.start(baseline, directory, arguments=patience) as running:
        yield running


@pytest.fixture(scope="session")
def bare_channel(mesh: MeshProcess) -> Iterator[grpc.Channel]:
    """A channel that adds no header."""
    with grpc.insecure_channel(mesh.address) as channel:
        yield channel


@pytest.fixture(scope="session")
def stack_ids() -> Iterator[str]:
    """Ids that no other test uses."""
    return (f"stack-{number}" for number in count())


@pytest.fixture
def create(mesh: MeshProcess, stack_ids: Iterator[str]) -> Iterator[Callable[..., StackStatus]]:
    """Create stacks that go with the test."""
    with ExitStack() as created:

        def create_one(
            *overrides: ServiceProcess,
            as_of_micros: int = AS_OF,
            known_by_micros: int | None = None,
            snapshot: int | None = None,
        ) -> StackStatus:
            stack = Stack(next(stack_ids), as_of_micros, known_by_micros, snapshot, overrides)
            status = mesh.service.create_stack(stack)
            created.callback(mesh.service.delete_stack, stack.stack_id)
            return status

        yield create_one


@pytest.fixture
def client_of(mesh: MeshProcess) -> Iterator[Callable[[StackStatus, str], ProbeClient]]:
    """Give clients that call in the context of a stack, from whatever thread."""
    with connect(mesh.address) as channel:

        def make_client(status: StackStatus, service: str) -> ProbeClient:
            client = ProbeClient(channel, service)
            with use_context(status.stack.context):
                client.ask = run_in_context(client.ask)  # type: ignore[assignment]  # called, and no more
            return client

        yield make_client
