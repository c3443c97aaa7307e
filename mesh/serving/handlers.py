"""Wrapping of gRPC method handlers, the same for the four kinds of call."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import grpc

if TYPE_CHECKING:
    import contextvars
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    Surround = Callable[[grpc.ServicerContext], AbstractContextManager[contextvars.Context]]

Q = TypeVar("Q")
R = TypeVar("R")


def wrap_handler(
    handler: grpc.RpcMethodHandler[Q, R], surround: Surround
) -> grpc.RpcMethodHandler[Q, R]:
    """Return the handler with every call inside `surround`.

    `surround` opens a context manager for the time of the call and gives the
    `contextvars.Context` to run the handler in. That is how a stream keeps its variables:
    gRPC may take each of its messages from another thread.
    """
    if handler.response_streaming:
        return _wrap_stream(handler, surround)
    behaviour = _present(
        handler.stream_unary if handler.request_streaming else handler.unary_unary
    )

    def answer(request: object, call: grpc.ServicerContext) -> object:
        with surround(call) as variables:
            return variables.run(behaviour, request, call)
        raise AssertionError("a surrounded call returns or raises")

    make = (
        grpc.stream_unary_rpc_method_handler
        if handler.request_streaming
        else grpc.unary_unary_rpc_method_handler
    )
    return make(answer, handler.request_deserializer, handler.response_serializer)


def _wrap_stream(
    handler: grpc.RpcMethodHandler[Q, R], surround: Surround
) -> grpc.RpcMethodHandler[Q, R]:
    behaviour = _present(
        handler.stream_stream if handler.request_streaming else handler.unary_stream
    )
    finished = object()

    def answer(request: object, call: grpc.ServicerContext) -> Iterator[object]:
        with surround(call) as variables:
            messages = iter(variables.run(behaviour, request, call))
            while (message := variables.run(next, messages, finished)) is not finished:
                yield message

    make = (
        grpc.stream_stream_rpc_method_handler
        if handler.request_streaming
        else grpc.unary_stream_rpc_method_handler
    )
    return make(answer, handler.request_deserializer, handler.response_serializer)


def _present(behaviour: Callable[..., R] | None) -> Callable[..., R]:
    if behaviour is None:
        raise AssertionError("a handler has the behaviour of its kind")
    return behaviour
