"""A served process and callers that are rude: pings, malformed messages, too many streams."""

from __future__ import annotations

import ast
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2

from core.errors import Exhausted
from core.grpc_status import STATUS_BYTES, raising_peer_errors
from mesh.call.context import context_headers
from mesh.serving import ServingOptions, connect_without_mesh
from tests.support.mesh.malformed import INFRASTRUCTURE, assert_refused
from tests.support.mesh.probe import ProbeClient, Question, decode_answer, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mesh.call.context import CallContext
    from mesh.serving import RunningServer

SERVICE = "test.probe.v1.ProbeService"
PATIENCE_SECONDS = 20.0
ROOT = Path(__file__).parents[4]


def test_a_silent_stream_is_kept_alive_by_pings(
    start_probe: Callable[..., RunningServer], context: CallContext
) -> None:
    # Eight pings: a server with gRPC's defaults ends the connection at the fifth.
    options = (("grpc.keepalive_time_ms", 1_100), ("grpc.http2.max_pings_without_data", 0))
    last = threading.Event()

    def questions() -> Iterator[Question]:
        yield Question()
        last.wait(9)
        yield Question()

    with grpc.insecure_channel(start_probe().address, options) as channel:
        echo = channel.stream_stream(f"/{SERVICE}/Echo", encode, decode_answer)
        metadata = tuple(context_headers(context).items())
        assert len(list(echo(questions(), metadata=metadata))) == 2


def test_every_server_of_the_project_has_the_same_options() -> None:
    made = 0
    for package in ("core", "mesh", "timetravel", "services", "worlds", "experiments"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in {
                    "grpc.server",
                    "grpc.aio.server",
                }:
                    options = {word.arg: ast.unparse(word.value) for word in node.keywords}
                    assert options.get("options") == "SERVER_OPTIONS", path
                    made += 1
    assert made == 4


MALFORMED = {
    "nothing": b"",
    "a byte": b"\0",
    "no text": b"\xff\xfe",
    "half of a message": b'{"path": [',
    "another value": b"7",
    "a list": b"[]",
    "unknown fields": b'{"path": [], "what": 1}',
    "no path": b"{}",
    "a path that is no list": b'{"path": 7}',
    "depth": b"[" * 100_000,
    "null": b"null",
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=list(MALFORMED))
@pytest.mark.parametrize("method", ["Ask", "Repeat", "Gather", "Echo"])
def test_a_malformed_message_is_the_callers_fault(
    start_probe: Callable[..., RunningServer], context: CallContext, method: str, body: bytes
) -> None:
    make = {"Ask": "unary_unary", "Repeat": "unary_stream", "Gather": "stream_unary"}
    with grpc.insecure_channel(start_probe().address) as channel:
        call = getattr(channel, make.get(method, "stream_stream"))(f"/{SERVICE}/{method}")
        request = body if method in {"Ask", "Repeat"} else iter([body])
        metadata = tuple(context_headers(context).items())
        with pytest.raises(grpc.RpcError) as refused:
            list(call(request, metadata=metadata))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert f"{len(body)} bytes" in (refused.value.details() or "")


@pytest.mark.parametrize(("method", "kind"), INFRASTRUCTURE.items())
@pytest.mark.parametrize("body", [b"\xff\xfe", b"\x0a\x7f"])
def test_a_malformed_message_to_health_and_reflection_is_the_callers_fault(
    start_probe: Callable[..., RunningServer], method: str, kind: str, body: bytes
) -> None:
    with grpc.insecure_channel(start_probe().address) as channel:
        assert_refused(channel, method, kind, body)


def test_after_good_messages_reflection_refuses_a_malformed_one(
    start_probe: Callable[..., RunningServer],
) -> None:
    listing = reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString()
    method = "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    with grpc.insecure_channel(start_probe().address) as channel:
        assert_refused(channel, method, "stream_stream", listing, b"\xff\xfe")


def test_many_watch_health_without_keeping_a_thread_each(
    start_probe: Callable[..., RunningServer],
) -> None:
    path = "/grpc.health.v1.Health/Watch"
    with grpc.insecure_channel(start_probe().address) as channel:
        make: Any = channel.unary_stream
        threads = threading.active_count()
        watching = [make(path)(b"") for _ in range(40)]
        assert {next(one) for one in watching} == {b"\x08\x01"}
        assert threading.active_count() < threads + 40
        for one in watching:
            one.cancel()


def test_watchers_of_health_who_leave_while_others_come_hold_up_nobody(
    start_probe: Callable[..., RunningServer],
) -> None:
    path = "/grpc.health.v1.Health/"
    with grpc.insecure_channel(start_probe().address) as channel:
        stream: Any = channel.unary_stream
        ask: Any = channel.unary_unary
        for _ in range(40):
            watching = [stream(f"{path}Watch")(b"") for _ in range(20)]
            for one in watching:
                one.cancel()
            assert ask(f"{path}Check")(b"", timeout=PATIENCE_SECONDS) == b"\x08\x01"


def test_streams_have_places_of_their_own_and_leave_the_others_free(
    start_probe: Callable[..., RunningServer], context: CallContext
) -> None:
    server = start_probe(options=ServingOptions(workers=4))
    done = threading.Event()

    def waiting() -> Iterator[Question]:
        yield Question()
        done.wait()

    with connect_without_mesh(server.address, context) as channel:
        client = ProbeClient(channel, SERVICE)
        streams = [client.echo(waiting()) for _ in range(2)]
        for stream in streams:
            next(stream)
        with pytest.raises(Exhausted, match="2 streams"), raising_peer_errors():
            next(client.echo(waiting()))
        for _ in range(8):
            client.ask(Question())
        done.set()
        assert [list(stream) for stream in streams] == [[], []]
        next(client.echo(iter([Question()])))


def test_callers_that_send_nothing_keep_nobody_out(
    start_probe: Callable[..., RunningServer], context: CallContext
) -> None:
    server = start_probe(options=ServingOptions(workers=1))
    done = threading.Event()
    metadata = tuple(context_headers(context).items())

    def nothing() -> Iterator[Question]:
        done.wait()
        yield from ()

    with (
        connect_without_mesh(server.address, context) as channel,
        grpc.insecure_channel(server.address) as rude,
    ):
        for _ in range(40):
            ask = rude.stream_unary(f"/{SERVICE}/Ask", encode, decode_answer)
            ask.future(nothing(), metadata=metadata)
        ProbeClient(channel, SERVICE).ask(Question(), timeout=30)
        done.set()


@pytest.mark.parametrize(
    "fault", ["long", "abort long", "code long", "unknown long", "code and unknown long"]
)
def test_whatever_a_servicer_says_fits_the_headers(
    start_probe: Callable[..., RunningServer], context: CallContext, fault: str
) -> None:
    with connect_without_mesh(start_probe().address, context) as channel:
        client = ProbeClient(channel, SERVICE)
        with pytest.raises(grpc.RpcError) as refused:
            client.ask(Question(fault=fault, padding="é%\n" * 10_000))
    told = refused.value
    assert told.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED
    assert len((told.details() or "").encode()) <= STATUS_BYTES
    assert "left out" in (told.details() or "")
