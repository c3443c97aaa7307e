"""Wrapping of gRPC method handlers, the same for the four kinds of call."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import grpc

from core.errors import InvalidInput
from core.grpc_status import write_status

if TYPE_CHECKING:
    import contextvars
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    Surround = Callable[[grpc.ServicerContext], AbstractContextManager[contextvars.Context]]

Q = TypeVar("Q")
R = TypeVar("R")


def is_stream(handler: grpc.RpcMethodHandler[Q, R]) -> bool:
    """Return whether either side of a call may send as many messages as it likes."""
    return bool(handler.request_streaming or handler.response_streaming)


def wrap_handler(
    handler: grpc.RpcMethodHandler[Q, R], surround: Surround
) -> grpc.RpcMethodHandler[Q, R]:
    """Return the handler with every call inside `surround`.

    `surround` opens a context manager for the time of the call and gives the
    `contextvars.Context` to run the handler in. That is how a stream keeps its variables:
    gRPC may take each of its messages from another thread.

    Bytes that are no message of the method are refused inside `surround` with InvalidInput.
    """
    if handler.response_streaming:
        return _wrap_stream(handler, surround)
    behaviour = behaviour_of(handler)
    take = check_each if handler.request_streaming else check_request

    def answer(request: Any, call: grpc.ServicerContext) -> object:  # noqa: ANN401 - one or many
        with surround(call) as variables:
            return variables.run(behaviour, take(request), call)
        raise AssertionError("a surrounded call returns or raises")

    return remake_handler(handler, answer)


def refuse_malformed(handler: grpc.RpcMethodHandler[Q, R]) -> grpc.RpcMethodHandler[Q, R]:
    """Return the handler, one of gRPC's own, with bytes that are no message of it refused."""
    behaviour = behaviour_of(handler)

    def check(request: object, call: grpc.ServicerContext) -> object:
        if isinstance(request, Malformed):
            call.abort_with_status(write_status(request.refusal()))
        return request

    # How gRPC is to call the behaviour, with a callback to send by, is in its attributes.
    @functools.wraps(behaviour)
    def answer(request: Any, call: grpc.ServicerContext, *send: object) -> object:  # noqa: ANN401 - one or many
        taken = (
            (check(one, call) for one in request)
            if handler.request_streaming
            else check(request, call)
        )
        return behaviour(taken, call, *send)

    return remake_handler(handler, answer)


def _wrap_stream(
    handler: grpc.RpcMethodHandler[Q, R], surround: Surround
) -> grpc.RpcMethodHandler[Q, R]:
    behaviour = behaviour_of(handler)
    take = check_each if handler.request_streaming else check_request
    finished = object()

    def answer(request: Any, call: grpc.ServicerContext) -> Iterator[object]:  # noqa: ANN401
        with surround(call) as variables:
            messages = iter(variables.run(behaviour, take(request), call))
            while (message := variables.run(next, messages, finished)) is not finished:
                yield message

    return remake_handler(handler, answer)


def behaviour_of(handler: grpc.RpcMethodHandler[Q, R]) -> Callable[..., Any]:
    """Return what the handler calls, whichever of the four kinds it is."""
    found: Callable[..., Any] | None
    if handler.request_streaming:
        found = handler.stream_stream if handler.response_streaming else handler.stream_unary
    else:
        found = handler.unary_stream if handler.response_streaming else handler.unary_unary
    if found is None:
        raise AssertionError("a handler has the behaviour of its kind")
    return found


def remake_handler(
    handler: grpc.RpcMethodHandler[Q, R], behaviour: Callable[..., Any]
) -> grpc.RpcMethodHandler[Q, R]:
    """Return a handler of the same kind that calls something else.

    It is given Malformed for a request that cannot be decoded.
    """
    make: Callable[..., grpc.RpcMethodHandler[Q, R]]
    if handler.request_streaming:
        make = (
            grpc.stream_stream_rpc_method_handler
            if handler.response_streaming
            else grpc.stream_unary_rpc_method_handler
        )
    else:
        make = (
            grpc.unary_stream_rpc_method_handler
            if handler.response_streaming
            else grpc.unary_unary_rpc_method_handler
        )
    return make(behaviour, noting_malformed(handler), handler.response_serializer)


@dataclass(frozen=True, slots=True)
class Malformed:
    """Stands for a request that could not be decoded: gRPC would call that INTERNAL."""

    size_bytes: int

    def refusal(self) -> InvalidInput:
        """Return the error that the call is to end with."""
        return InvalidInput(
            f"These {self.size_bytes} bytes are not a request of this method.",
            remedy="Send a serialised message of its type; text in it must be UTF-8.",
        )


def noting_malformed(handler: grpc.RpcMethodHandler[Q, R]) -> Callable[[bytes], Any] | None:
    """Return a deserialiser that gives Malformed where the handler's own raises."""
    deserialise = handler.request_deserializer
    if deserialise is None:
        return None

    def decode(body: bytes) -> Any:  # noqa: ANN401 - a message
        try:
            return deserialise(body)
        except Exception:  # noqa: BLE001 - whatever it raises, this is no message of the method
            return Malformed(len(body))

    return decode


def check_request(request: object) -> object:
    """Return the request.

    Raises:
        InvalidInput: It is malformed.
    """
    if isinstance(request, Malformed):
        raise request.refusal()
    return request


def check_each(requests: Iterator[object]) -> Iterator[object]:
    """Yield the requests of a stream.

    Raises:
        InvalidInput: One is malformed.
    """
    for request in requests:
        yield check_request(request)
