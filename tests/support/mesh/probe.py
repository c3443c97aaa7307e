"""A service for tests of the mesh: tells in which context it was called, fails as told.

Messages are JSON, so that no stub is needed. A probe can be served under any service name,
in this process or, with `python -m tests.support.mesh.probe --service NAME`, in one of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

from mesh.call.context import (
    ContextExecutor,
    context_headers,
    current_context,
)
from mesh.errors import UnknownStack
from mesh.serving import Registration, add_serving_arguments, connect, serve, serving_options

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True)
class Question:
    """What a probe is to do before it answers.

    Attributes:
        path: Services to call next, one through the other.
        drop_context: Call the next one without any header, as a faulty service would.
        in_thread: Call the next one from another thread.
        in_bare_thread: Call the next one from a thread that was not given the context.
        faultless_hops: Services that do neither of these first.
        sleep_seconds: Time that the last service of the path waits first.
        fault: "known" raises an error of our own, "unknown" another one, "code" sets a
            status, "abort" aborts, "unavailable" answers UNAVAILABLE, "exit" ends the process;
            "long", "abort long", "code long" and "unknown long" say the padding meanwhile.
        last_fault: Fault of the last service of the path.
        padding: Makes the message as large as one likes.
    """

    path: tuple[str, ...] = ()
    drop_context: bool = False
    in_thread: bool = False
    in_bare_thread: bool = False
    faultless_hops: int = 0
    sleep_seconds: float = 0.0
    fault: str = ""
    last_fault: str = ""
    padding: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """Who answered, and in which context; then what the next service answered."""

    name: str
    process_id: int
    headers: dict[str, str]
    as_received: dict[str, str] = field(default_factory=dict)
    inner: Answer | None = None

    @property
    def hops(self) -> tuple[Answer, ...]:
        """All answers, outermost first."""
        return (self, *(self.inner.hops if self.inner else ()))


def encode(message: Question | Answer) -> bytes:
    return json.dumps(asdict(message)).encode()


def decode_question(body: bytes) -> Question:
    values = json.loads(body)
    return Question(**(values | {"path": tuple(values["path"])}))


def decode_answer(body: bytes) -> Answer:
    def build(values: dict[str, object]) -> Answer:
        inner = values.pop("inner")
        return Answer(**values, inner=build(inner) if isinstance(inner, dict) else None)  # type: ignore[arg-type]  # JSON of an Answer

    return build(json.loads(body))


def pass_on(question: Question) -> tuple[str, Question]:
    """Return the next service of the path, and what it is to do."""
    service, *path = question.path
    faulty = question.faultless_hops > 0
    return service, Question(
        tuple(path),
        drop_context=question.drop_context and faulty,
        in_bare_thread=question.in_bare_thread and faulty,
        faultless_hops=max(question.faultless_hops - 1, 0),
        fault="" if path else question.last_fault,
        last_fault=question.last_fault,
        sleep_seconds=question.sleep_seconds,
    )


def raise_as_told(fault: str, text: str) -> None:
    """Raise what a fault says, if it says no more than that."""
    match fault:
        case "known":
            raise UnknownStack("There is no x.", remedy="Create it.", field="stack_id")
        case "unknown":
            raise ZeroDivisionError("x / 0")
        case "long":
            raise UnknownStack(text, remedy=text, field=text)
        case "unknown long":
            raise ZeroDivisionError(text)


class ProbeClient:
    """Calls a probe, in all four ways that gRPC knows."""

    def __init__(self, channel: grpc.Channel, service: str) -> None:
        self.ask: grpc.UnaryUnaryMultiCallable[Question, Answer] = channel.unary_unary(
            f"/{service}/Ask", encode, decode_answer
        )
        self.repeat: grpc.UnaryStreamMultiCallable[Question, Answer] = channel.unary_stream(
            f"/{service}/Repeat", encode, decode_answer
        )
        self.gather: grpc.StreamUnaryMultiCallable[Question, Answer] = channel.stream_unary(
            f"/{service}/Gather", encode, decode_answer
        )
        self.echo: grpc.StreamStreamMultiCallable[Question, Answer] = channel.stream_stream(
            f"/{service}/Echo", encode, decode_answer
        )


class Probe:
    """Answers questions; those with a path go on through `peers`."""

    def __init__(
        self,
        service: str,
        *,
        name: str = "",
        peers: grpc.Channel | None = None,
        bare_peers: grpc.Channel | None = None,
    ) -> None:
        self._service = service
        self._name = name or service
        self._peers = peers
        self._bare_peers = bare_peers
        self._executor = ContextExecutor(2)
        self._bare_executor = ThreadPoolExecutor(2)

    @property
    def registration(self) -> Registration:
        """The service as `serve` takes it."""
        return Registration(self._service, self._add_to_server)

    def _ask(self, question: Question, call: grpc.ServicerContext) -> Answer:
        if question.sleep_seconds and not question.path:
            time.sleep(question.sleep_seconds)
        self._fail_as_told(question.fault, call, question.padding)
        if not question.path:
            inner = None
        elif question.in_thread:
            inner = self._executor.submit(self._go_on, question).result()
        elif question.in_bare_thread and not question.faultless_hops:
            inner = self._bare_executor.submit(self._go_on, question).result()
        else:
            inner = self._go_on(question)
        return Answer(
            name=self._name,
            process_id=os.getpid(),
            headers=context_headers(current_context()),
            as_received={
                name: str(value)
                for name, value in call.invocation_metadata()
                if name.startswith("x-")
            },
            inner=inner,
        )

    def _go_on(self, question: Question) -> Answer:
        drops = question.drop_context and not question.faultless_hops
        channel = self._bare_peers if drops else self._peers
        if channel is None:
            raise AssertionError("this probe was given no peers")
        service, onward = pass_on(question)
        answer: Answer = ProbeClient(channel, service).ask(onward)
        return answer

    def _fail_as_told(self, fault: str, call: grpc.ServicerContext, text: str) -> None:
        raise_as_told(fault, text)
        match fault:
            case "code":
                call.set_code(grpc.StatusCode.DATA_LOSS)
            case "abort":
                call.abort(grpc.StatusCode.OUT_OF_RANGE, "too far")
            case "unavailable":
                call.abort(grpc.StatusCode.UNAVAILABLE, f"told to fail in {os.getpid()}")
            case "abort long":
                call.abort(grpc.StatusCode.OUT_OF_RANGE, text)
            case "code long":
                call.set_code(grpc.StatusCode.DATA_LOSS)
                call.set_details(text)
            case "code and unknown long":
                call.set_code(grpc.StatusCode.DATA_LOSS)
                raise ZeroDivisionError(text)
            case "exit":
                os._exit(3)

    def _repeat(self, question: Question, call: grpc.ServicerContext) -> Iterator[Answer]:
        yield self._ask(Question(), call)
        yield self._ask(question, call)

    def _gather(self, questions: Iterable[Question], call: grpc.ServicerContext) -> Answer:
        return [self._ask(question, call) for question in questions][-1]

    def _echo(
        self, questions: Iterable[Question], call: grpc.ServicerContext
    ) -> Iterator[Answer]:
        for question in questions:
            yield self._ask(question, call)

    def _add_to_server(self, server: grpc.Server) -> None:
        handlers: dict[str, grpc.RpcMethodHandler[Question, Answer]] = {
            "Ask": grpc.unary_unary_rpc_method_handler(self._ask, decode_question, encode),
            "Repeat": grpc.unary_stream_rpc_method_handler(
                self._repeat, decode_question, encode
            ),
            "Gather": grpc.stream_unary_rpc_method_handler(
                self._gather, decode_question, encode
            ),
            "Echo": grpc.stream_stream_rpc_method_handler(self._echo, decode_question, encode),
        }
        generic = grpc.method_handlers_generic_handler(self._service, handlers)
        server.add_generic_rpc_handlers((generic,))


def main() -> None:
    """Serve one probe until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--service", required=True, help="full gRPC name to serve under")
    parser.add_argument("--name", default="", help="what the probe calls itself")
    parser.add_argument("--die", default="", help="say this and exit instead of serving")
    parser.add_argument("--hang", action="store_true", help="never serve")
    parser.add_argument("--needs", type=Path, help="exit when this file is not there")
    parser.add_argument("--awaits", type=Path, help="serve when this file is there")
    parser.add_argument("--tell-variable", default="", help="add this variable to the name")
    add_serving_arguments(parser)
    namespace = parser.parse_args()
    if namespace.die:
        sys.exit(namespace.die)
    if namespace.needs is not None and not namespace.needs.exists():
        sys.exit(f"{namespace.needs} is not there")
    while namespace.awaits is not None and not namespace.awaits.exists():
        time.sleep(0.05)
    if namespace.hang:
        time.sleep(600)
    options = serving_options(namespace)
    mesh_address = options.mesh_address or ""
    probe = Probe(
        namespace.service,
        name=" ".join(
            [namespace.name, *filter(None, [os.environ.get(namespace.tell_variable)])]
        ),
        peers=connect(mesh_address, tls=options.identity) if mesh_address else None,
        bare_peers=grpc.insecure_channel(mesh_address) if mesh_address else None,
    )
    serve([probe.registration], options)


if __name__ == "__main__":
    main()
