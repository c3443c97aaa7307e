"""A service of asyncio is served as one of threads is: context, errors, metrics, health."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from core.errors import InvalidInput
from core.grpc_status import STATUS_BYTES, raising_peer_errors
from mesh.call.context import context_headers, use_context
from mesh.channels.async_channels import connect_async
from mesh.errors import MissingContext, UnknownStack
from mesh.serving import connect_without_mesh
from tests.support.mesh.malformed import INFRASTRUCTURE, assert_refused
from tests.support.mesh.probe import Answer, ProbeClient, Question, decode_answer, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mesh.call.context import CallContext

pytestmark = pytest.mark.integration

SERVICE = "test.probe.v1.AsyncProbeService"


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Where a probe of asyncio is, in a process of its own; stopped by SIGTERM at the end."""
    log = tmp_path_factory.mktemp("probe") / "log"
    reading, writing = os.pipe()
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.support.mesh.async_probe", "--service", SERVICE),
                *("--mesh-address", "127.0.0.1:1", "--ready-fd", str(writing)),
            ],
            pass_fds=(writing,),
            stderr=stderr,
        )
    os.close(writing)
    with os.fdopen(reading) as ready:
        yield json.loads(ready.readline())
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 0
    assert [json.loads(line)["event"] for line in log.read_text().splitlines()][-2:] == [
        "draining",
        "stopped",
    ]


@pytest.fixture
def client(addresses: dict[str, str], context: CallContext) -> Iterator[ProbeClient]:
    with connect_without_mesh(addresses["address"], context) as channel:
        yield ProbeClient(channel, SERVICE)


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
    addresses: dict[str, str], context: CallContext, missing: str
) -> None:
    headers = tuple(
        (name, value) for name, value in context_headers(context).items() if name != missing
    )
    with grpc.insecure_channel(addresses["address"]) as channel:
        client = ProbeClient(channel, SERVICE)
        with pytest.raises(grpc.RpcError) as unary:
            client.ask(Question(), metadata=headers)
        with pytest.raises(grpc.RpcError) as stream:
            list(client.echo(iter([Question()]), metadata=headers))
    for error in (unary.value, stream.value):
        assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert missing in (error.details() or "")


def test_an_error_arrives_as_the_error_it_was(client: ProbeClient) -> None:
    with pytest.raises(UnknownStack) as caught, raising_peer_errors():
        client.ask(Question(fault="known"))
    assert (caught.value.problem, caught.value.field) == ("There is no x.", "stack_id")


@pytest.mark.parametrize(
    ("fault", "code", "said"),
    [
        ("unknown", "INTERNAL", "ZeroDivisionError: x / 0. This is a fault in"),
        ("abort", "OUT_OF_RANGE", "too far"),
    ],
)
def test_other_failures_have_their_code(
    client: ProbeClient, fault: str, code: str, said: str
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        client.ask(Question(fault=fault))
    assert caught.value.code().name == code
    assert said in (caught.value.details() or "")


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("long", "NOT_FOUND"),
        ("abort long", "OUT_OF_RANGE"),
        ("code long", "DATA_LOSS"),
        ("unknown long", "INTERNAL"),
        ("code and unknown long", "DATA_LOSS"),
    ],
)
def test_whatever_a_coroutine_says_fits_the_headers(
    client: ProbeClient, fault: str, code: str
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        list(client.repeat(Question(fault=fault, padding="é%\n" * 1_500)))
    assert caught.value.code().name == code
    assert len((caught.value.details() or "").encode()) <= STATUS_BYTES
    assert "left out" in (caught.value.details() or "")


@pytest.mark.parametrize(("method", "kind"), INFRASTRUCTURE.items())
def test_a_malformed_message_to_health_and_reflection_is_the_callers_fault(
    addresses: dict[str, str], method: str, kind: str
) -> None:
    with grpc.insecure_channel(addresses["address"]) as channel:
        assert_refused(channel, method, kind, b"\xff\xfe")


def test_calls_are_counted_and_health_is_answered(
    addresses: dict[str, str], client: ProbeClient
) -> None:
    client.ask(Question())
    with urllib.request.urlopen(f"http://{addresses['metrics_address']}/metrics") as page:
        text = page.read().decode()
    sample = f'method="Ask",service="{SERVICE}",stack="trial",variant="control"'
    assert re.search(rf"pagesim_requests_total{{{re.escape(sample)}}} [1-9]", text)
    with grpc.insecure_channel(addresses["address"]) as channel:
        check: grpc.UnaryUnaryMultiCallable[
            health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
        ] = health_pb2_grpc.HealthStub(channel).Check  # type: ignore[attr-defined]  # the stubs lag behind
        answer = check(health_pb2.HealthCheckRequest(service=SERVICE))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_a_call_of_asyncio_without_context_never_leaves(addresses: dict[str, str]) -> None:
    async def call() -> None:
        async with connect_async(addresses["address"]) as channel:
            ask: grpc.aio.UnaryUnaryMultiCallable[Question, Answer] = channel.unary_unary(
                f"/{SERVICE}/Ask", encode, decode_answer
            )
            await ask(Question())

    with pytest.raises(MissingContext, match="x-pagesim-stack"):
        asyncio.run(call())


def test_a_call_of_asyncio_that_sets_a_context_header_by_hand_is_refused(
    addresses: dict[str, str], context: CallContext
) -> None:
    async def call() -> None:
        async with connect_async(addresses["address"]) as channel:
            ask: grpc.aio.UnaryUnaryMultiCallable[Question, Answer] = channel.unary_unary(
                f"/{SERVICE}/Ask", encode, decode_answer
            )
            with use_context(context):
                await ask(Question(), metadata=(("x-pagesim-stack", "other"),))

    with pytest.raises(InvalidInput, match="x-pagesim-stack"):
        asyncio.run(call())
