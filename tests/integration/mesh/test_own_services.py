"""Services of one's own, in any language: who forwards two headers takes part."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest

from mesh.call.context import CallContext, context_headers
from mesh.errors import ProcessFailed
from mesh.topology.service_process import ServiceProcess
from tests.support.mesh.probe import ProbeClient, Question
from tests.support.mesh.processes import FIRST, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable

    from mesh.topology.stack import StackStatus

    Create = Callable[..., StackStatus]
    ClientOf = Callable[[StackStatus, str], ProbeClient]

pytestmark = pytest.mark.integration

OWN = "test.own.v1.OwnService"
EXAMPLE = Path(__file__).parents[3] / "examples" / "own-service-node"
CONTEXT_HEADERS = tuple(context_headers(CallContext("stolen", 0)).items())
TRACE = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


def plain_process(*forward: str) -> ServiceProcess:
    forwarding = ("--forward", *forward) if forward else ()
    return ServiceProcess(
        OWN, "tests.support.mesh.plain_service", ("--service", OWN, *forwarding)
    )


def node_process() -> ServiceProcess:
    if shutil.which("node") is None:
        pytest.skip("there is no node on this machine")
    if not (EXAMPLE / "node_modules").is_dir():
        pytest.skip("the packages of the example are not installed: make own-service-node")
    command = (
        *("node", str(EXAMPLE / "server.js"), "--service", OWN),
        *("--address", "{address}", "--metrics-address", "{metrics_address}"),
        *("--mesh-address", "{mesh_address}", "--ready-fd", "{ready_fd}"),
    )
    return ServiceProcess(OWN, command=command)


@pytest.fixture(params=[plain_process, node_process], ids=["plain", "node"])
def own(request: pytest.FixtureRequest) -> ServiceProcess:
    """A service without anything of ours: gRPC's own Python, and gRPC for Node."""
    process: ServiceProcess = request.param()
    return process


def test_a_service_that_forwards_two_headers_takes_part(
    create: Create, bare_channel: grpc.Channel, own: ServiceProcess
) -> None:
    status = create(own, known_by_micros=1, snapshot=5)
    headers = (("x-pagesim-stack", status.stack.stack_id), TRACE)
    question = Question((OWN, SECOND, OWN))
    answer = ProbeClient(bare_channel, FIRST).ask(question, metadata=headers)
    assert [hop.name for hop in answer.hops] == [FIRST, OWN, SECOND, OWN]
    expected = context_headers(status.stack.context) | dict([TRACE])
    for hop in answer.hops:
        told = {name: hop.headers[name] for name in expected}
        assert told == expected


def test_one_that_drops_them_fails_at_the_next_hop(
    create: Create, client_of: ClientOf, own: ServiceProcess
) -> None:
    dropping = plain_process("traceparent") if "plain" in own.module else own
    status = create(dropping)
    with pytest.raises(grpc.RpcError) as caught:
        client_of(status, OWN).ask(Question((SECOND,), drop_context=True))
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "no x-pagesim-stack header" in (caught.value.details() or "")


def test_an_error_of_a_peer_goes_through(
    create: Create, client_of: ClientOf, own: ServiceProcess
) -> None:
    status = create(own)
    with pytest.raises(grpc.RpcError) as caught:
        client_of(status, OWN).ask(Question(("test.absent.v1.AbsentService",)))
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_the_example_refuses_a_call_past_the_mesh(create: Create) -> None:
    (endpoint,) = create(node_process()).endpoints
    with grpc.insecure_channel(str(endpoint.address)) as channel:
        for forged in ((), (("x-pagesim-call-secret", "forged"),)):
            with pytest.raises(grpc.RpcError) as caught:
                ProbeClient(channel, OWN).ask(Question(), metadata=(*CONTEXT_HEADERS, *forged))
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
            assert "Call through the mesh" in (caught.value.details() or "")


def test_a_program_that_is_not_there_is_said_so(create: Create) -> None:
    with pytest.raises(ProcessFailed, match="there is no program no-such-program"):
        create(ServiceProcess(OWN, command=("no-such-program", "{address}")))
