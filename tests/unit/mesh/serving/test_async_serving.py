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
from core.grpc_status import raising_peer_errors
from mesh.call.context import context_headers, use_context
from mesh.channels.async_channels import connect_async
from mesh.errors import MissingContext, UnknownStack
from mesh.serving import connect_without_mesh
from tests.support.mesh.probe import Answer, ProbeClient, Question, decode_answer, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mesh.call.context import CallContext

pytestmark = pytest.mark.integration

SERVICE = "test.probe.v1.AsyncProbeService"


@pytest.fixture(scope="module")
def addresses() -> Iterator[dict[str, str]]:
    """Where a probe of asyncio is, in a process of its own; stopped by SIGTERM at the end."""
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.support.mesh.async_probe", "--service", SERVICE),
            *("--mesh-address", "127.0.0.1:1", "--ready-fd", str(writing)),
        ],
        pass_fds=(writing,),
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writing)
    with os.fdopen(reading) as ready:
        yield json.loads(ready.readline())
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate()
    assert process.returncode == 0
    assert [json.loads(line)["event"] for line in log.splitlines()][-2:] == [
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
