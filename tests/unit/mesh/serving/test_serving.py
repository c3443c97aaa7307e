"""A served process: calls have a context, errors a status, and all of it is counted."""

from __future__ import annotations

import re
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from core.errors import InvalidInput
from core.grpc_status import raising_peer_errors
from mesh.call.context import CallContext, context_headers, use_context
from mesh.errors import AddressInUse, MissingContext, UnknownStack
from mesh.serving import RunningServer, ServingOptions, connect, connect_without_mesh
from tests.support.mesh.probe import ProbeClient, Question

SERVICE = "test.probe.v1.ProbeService"
LAST_SERVICE = (SERVICE,)

StartProbe = Callable[..., RunningServer]


@pytest.fixture
def probe(start_probe: StartProbe) -> RunningServer:
    return start_probe()


@pytest.fixture
def client(probe: RunningServer, context: CallContext) -> Iterator[ProbeClient]:
    with connect_without_mesh(probe.address, context) as channel:
        yield ProbeClient(channel, SERVICE)


@pytest.fixture
def relaying_probe(start_probe: StartProbe, context: CallContext) -> Iterator[RunningServer]:
    with connect_without_mesh(start_probe().address, context) as to_last:
        yield start_probe(to_last)


@pytest.fixture
def relaying_client(
    relaying_probe: RunningServer, context: CallContext
) -> Iterator[ProbeClient]:
    with connect_without_mesh(relaying_probe.address, context) as channel:
        yield ProbeClient(channel, SERVICE)


def read_metrics(server: RunningServer) -> Mapping[str, float]:
    url = f"http://{server.metrics_address}/metrics"
    with urllib.request.urlopen(url) as page:
        lines = page.read().decode().splitlines()
    samples = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
    return {name: float(value) for name, value in samples}


def failure(client: ProbeClient, question: Question) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        client.ask(question)
    return caught.value


def test_the_four_kinds_of_call_run_in_the_callers_context(
    client: ProbeClient, context: CallContext
) -> None:
    answers = [
        client.ask(Question()),
        *client.repeat(Question()),
        client.gather(iter([Question(), Question()])),
        *client.echo(iter([Question(), Question()])),
    ]
    assert [answer.headers for answer in answers] == [context_headers(context)] * 6


@pytest.mark.parametrize("missing", ["x-pagesim-stack", "x-pagesim-as-of"])
def test_a_call_without_context_is_refused_by_the_name_of_the_missing_header(
    probe: RunningServer, context: CallContext, missing: str
) -> None:
    headers = tuple(
        (name, value) for name, value in context_headers(context).items() if name != missing
    )
    with grpc.insecure_channel(probe.address) as channel:
        client = ProbeClient(channel, SERVICE)
        with pytest.raises(grpc.RpcError) as unary:
            client.ask(Question(), metadata=headers)
        with pytest.raises(grpc.RpcError) as stream:
            list(client.repeat(Question(), metadata=headers))
    for error in (unary.value, stream.value):
        assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert missing in (error.details() or "")


def test_a_call_without_context_never_leaves_the_caller(probe: RunningServer) -> None:
    with connect(probe.address) as channel:
        client = ProbeClient(channel, SERVICE)
        with pytest.raises(MissingContext):
            client.ask(Question())
        with pytest.raises(MissingContext):
            list(client.repeat(Question()))
    assert not any(name.startswith("pagesim_requests") for name in read_metrics(probe))


def test_a_call_that_sets_a_context_header_by_hand_is_refused(
    probe: RunningServer, context: CallContext
) -> None:
    with (
        connect(probe.address) as channel,
        use_context(context),
        pytest.raises(InvalidInput, match="x-pagesim-stack"),
    ):
        ProbeClient(channel, SERVICE).ask(Question(), metadata=(("x-pagesim-stack", "other"),))


def test_a_service_outside_every_stack_is_called_without_context(
    start_probe: StartProbe,
) -> None:
    probe = start_probe(needs_context=False)
    with grpc.insecure_channel(probe.address) as channel:
        error = failure(ProbeClient(channel, SERVICE), Question(fault="known"))
    assert error.code() is grpc.StatusCode.NOT_FOUND


def test_an_error_arrives_as_the_error_it_was(client: ProbeClient) -> None:
    with pytest.raises(UnknownStack) as caught, raising_peer_errors():
        client.ask(Question(fault="known"))
    assert (caught.value.problem, caught.value.remedy, caught.value.field) == (
        "There is no x.",
        "Create it.",
        "stack_id",
    )


def test_an_error_ends_a_stream_after_what_was_said(client: ProbeClient) -> None:
    answers = client.repeat(Question(fault="known"))
    assert next(answers).name == SERVICE
    with pytest.raises(UnknownStack), raising_peer_errors():
        next(answers)


def test_a_fault_is_internal_and_names_its_service(client: ProbeClient) -> None:
    error = failure(client, Question(fault="unknown"))
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "ZeroDivisionError: x / 0" in (error.details() or "")
    assert SERVICE in (error.details() or "")


@pytest.mark.parametrize(
    ("fault", "code"),
    [("code", grpc.StatusCode.DATA_LOSS), ("abort", grpc.StatusCode.OUT_OF_RANGE)],
)
def test_a_status_that_a_handler_sets_itself_stands(
    client: ProbeClient, fault: str, code: grpc.StatusCode
) -> None:
    assert failure(client, Question(fault=fault)).code() is code


@pytest.mark.parametrize("fault", ["known", "unknown", "abort"])
def test_an_error_of_a_peer_reaches_our_caller_unchanged(
    client: ProbeClient, relaying_client: ProbeClient, fault: str
) -> None:
    direct = failure(client, Question(fault=fault))
    relayed = failure(relaying_client, Question(LAST_SERVICE, last_fault=fault))
    assert relayed.code() is direct.code()
    assert relayed.details() == direct.details()
    assert [
        {entry.key: entry.value for entry in error.trailing_metadata()}.get(
            "grpc-status-details-bin"
        )
        for error in (direct, relayed)
    ].count(None) in (0, 2)


def test_the_context_goes_on_through_threads(
    relaying_client: ProbeClient, context: CallContext
) -> None:
    answer = relaying_client.ask(Question(LAST_SERVICE, in_thread=True))
    assert [hop.headers for hop in answer.hops] == [context_headers(context)] * 2


def test_a_call_inherits_what_is_left_of_its_callers_deadline(
    relaying_probe: RunningServer, relaying_client: ProbeClient
) -> None:
    question = Question(LAST_SERVICE, sleep_seconds=1)
    with pytest.raises(grpc.RpcError) as caught:
        relaying_client.ask(question, timeout=0.1)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    # The relay's own call ends with its deadline too, long before the peer would answer.
    expected = 'pagesim_request_errors_total{code="DEADLINE_EXCEEDED"'
    for _ in range(40):
        if any(name.startswith(expected) for name in read_metrics(relaying_probe)):
            return
        time.sleep(0.02)
    pytest.fail("the relay's call went on without a deadline")


def test_calls_are_counted_by_method_stack_and_variant(
    probe: RunningServer, client: ProbeClient
) -> None:
    client.ask(Question())
    client.ask(Question())
    failure(client, Question(fault="known"))
    labels = f'method="Ask",service="{SERVICE}",stack="trial",variant="control"'
    metrics = read_metrics(probe)
    assert metrics[f"pagesim_requests_total{{{labels}}}"] == 3
    assert metrics[f'pagesim_request_errors_total{{code="NOT_FOUND",{labels}}}'] == 1
    assert metrics[f"pagesim_request_seconds_count{{{labels}}}"] == 3
    assert metrics["process_resident_memory_bytes"] > 0


def test_metrics_keep_the_stacks_used_last_and_forget_the_others(
    start_probe: StartProbe,
) -> None:
    probe = start_probe(options=ServingOptions(labelled_stacks=2))
    for stack in ("first", "second", "first", "third"):
        with connect_without_mesh(probe.address, CallContext(stack, 0)) as channel:
            client = ProbeClient(channel, SERVICE)
            client.ask(Question())
            failure(client, Question(fault="abort"))
    metrics = read_metrics(probe)
    labelled = {
        match.group(1) for name in metrics if (match := re.search(r'stack="([a-z]*)"', name))
    }
    assert labelled == {"first", "third"}
    assert metrics["pagesim_labelled_stacks"] == 2


def test_health_and_reflection_need_no_context(probe: RunningServer) -> None:
    with grpc.insecure_channel(probe.address) as channel:
        check: grpc.UnaryUnaryMultiCallable[
            health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
        ] = health_pb2_grpc.HealthStub(channel).Check  # type: ignore[attr-defined]  # the stubs lag behind
        for service in ("", SERVICE):
            answer = check(health_pb2.HealthCheckRequest(service=service))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        assert SERVICE in ProtoReflectionDescriptorDatabase(channel).get_services()


def test_large_messages_pass(client: ProbeClient) -> None:
    assert client.ask(Question(padding="x" * (20 << 20))).name == SERVICE


@pytest.mark.parametrize("field", ["--address", "--metrics-address"])
def test_a_port_in_use_is_said_so(start_probe: StartProbe, field: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        options = (
            ServingOptions(address=address)
            if field == "--address"
            else ServingOptions(metrics_address=address)
        )
        with pytest.raises(AddressInUse, match=f"already listens on {address}") as caught:
            start_probe(options=options)
    assert caught.value.field == field


def test_two_servers_never_share_a_port(start_probe: StartProbe, probe: RunningServer) -> None:
    with pytest.raises(AddressInUse):
        start_probe(options=ServingOptions(address=probe.address))


def test_there_is_no_connecting_without_an_address() -> None:
    with pytest.raises(InvalidInput, match="--mesh-address"):
        connect(None)
