"""A service that loses the context, by whatever mistake: nothing is answered from nowhere.

Every hop is served by threads or by asyncio, and the mistake is made at each of them in turn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import pytest

from mesh.call.context import context_headers, use_context
from mesh.client.mesh_process import MeshProcess
from mesh.serving import connect
from mesh.topology.service_process import ServiceProcess
from mesh.topology.stack import Stack
from tests.support.mesh.probe import ProbeClient, Question
from tests.support.mesh.processes import FIRST, SECOND, probe_process

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integration

ASYNC_FIRST, ASYNC_SECOND = "test.first.v1.AsyncService", "test.second.v1.AsyncService"
STACK = Stack("trial", 1_525_176_000_000_000, 1_600_000_000_000_000, 7, variant="blue")
HOPS = 3
PATHS = {
    "threads": (FIRST, SECOND, FIRST, SECOND),
    "asyncio": (ASYNC_FIRST, ASYNC_SECOND, ASYNC_FIRST, ASYNC_SECOND),
    "both": (ASYNC_FIRST, SECOND, ASYNC_SECOND, FIRST),
}


def async_process(service: str) -> ServiceProcess:
    return ServiceProcess(service, "tests.support.mesh.async_probe", ("--service", service))


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[grpc.Channel]:
    baseline = [
        *(probe_process(service) for service in (FIRST, SECOND)),
        *(async_process(service) for service in (ASYNC_FIRST, ASYNC_SECOND)),
    ]
    with MeshProcess.start(baseline, tmp_path_factory.mktemp("mesh")) as mesh:
        mesh.service.create_stack(STACK)
        with use_context(STACK.context), connect(mesh.address) as opened:
            yield opened


@pytest.fixture(autouse=True)
def in_stack() -> Iterator[None]:
    with use_context(STACK.context):
        yield


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
@pytest.mark.parametrize("in_thread", [False, True], ids=["as it is served", "in a thread"])
def test_the_context_goes_through_every_hop(
    channel: grpc.Channel,
    path: tuple[str, ...],
    in_thread: bool,  # noqa: FBT001 - a pytest parameter
) -> None:
    first, *rest = path
    question = Question(tuple(rest), in_thread=in_thread)
    answer = ProbeClient(channel, first).ask(question)
    assert [hop.name for hop in answer.hops] == list(path)
    assert [hop.headers for hop in answer.hops] == [context_headers(STACK.context)] * len(path)


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
@pytest.mark.parametrize("hop", range(HOPS))
def test_a_call_without_headers_is_refused_by_the_name_of_the_missing_one(
    channel: grpc.Channel, path: tuple[str, ...], hop: int
) -> None:
    first, *rest = path
    question = Question(tuple(rest), drop_context=True, faultless_hops=hop)
    with pytest.raises(grpc.RpcError) as caught:
        ProbeClient(channel, first).ask(question)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "The call has no x-pagesim-stack header" in (caught.value.details() or "")


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
@pytest.mark.parametrize("hop", range(HOPS))
def test_a_thread_that_was_not_given_the_context_cannot_call_on(
    channel: grpc.Channel, path: tuple[str, ...], hop: int
) -> None:
    first, *rest = path
    question = Question(tuple(rest), in_bare_thread=True, faultless_hops=hop)
    with pytest.raises(grpc.RpcError) as caught:
        ProbeClient(channel, first).ask(question)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "no x-pagesim-stack header to send on" in (caught.value.details() or "")
    assert "ContextExecutor" in (caught.value.details() or "")
