"""A span for every call that leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import grpc

from mesh.call.call_details import change_details, split_method
from mesh.call.context import TRACEPARENT_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mesh.call.context import CallContext
    from mesh.call.tracing import CallSpan, CallTracer

Q = TypeVar("Q")
R = TypeVar("R")


class SpanInterceptor(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Begin a span as child of the call's trace, send it on in its place, and end it.

    Stands behind the interceptor that adds the headers.

    Args:
        tracer: Begins spans.
        context: Gives the context that the calls are made in.
    """

    def __init__(self, tracer: CallTracer, context: Callable[[], CallContext]) -> None:
        self._tracer = tracer
        self._context = context

    def intercept_unary_unary(
        self,
        continuation: Callable[[grpc.ClientCallDetails, Q], grpc._CallFuture[R]],
        client_call_details: grpc.ClientCallDetails,
        request: Q,
    ) -> grpc._CallFuture[R]:
        """Trace the call."""
        details, span = self._begin(client_call_details)
        return _end_with(continuation(details, request), span)

    def intercept_unary_stream(
        self,
        continuation: Callable[[grpc.ClientCallDetails, Q], grpc._CallIterator[R]],
        client_call_details: grpc.ClientCallDetails,
        request: Q,
    ) -> grpc._CallIterator[R]:
        """Trace the call."""
        details, span = self._begin(client_call_details)
        return _end_with(continuation(details, request), span)

    def intercept_stream_unary(
        self,
        continuation: Callable[[grpc.ClientCallDetails, Iterator[Q]], grpc._CallFuture[R]],
        client_call_details: grpc.ClientCallDetails,
        request_iterator: Iterator[Q],
    ) -> grpc._CallFuture[R]:
        """Trace the call."""
        details, span = self._begin(client_call_details)
        return _end_with(continuation(details, request_iterator), span)

    def intercept_stream_stream(
        self,
        continuation: Callable[[grpc.ClientCallDetails, Iterator[Q]], grpc._CallIterator[R]],
        client_call_details: grpc.ClientCallDetails,
        request_iterator: Iterator[Q],
    ) -> grpc._CallIterator[R]:
        """Trace the call."""
        details, span = self._begin(client_call_details)
        return _end_with(continuation(details, request_iterator), span)

    def _begin(
        self, details: grpc.ClientCallDetails
    ) -> tuple[grpc.ClientCallDetails, CallSpan]:
        context = self._context()
        span = self._tracer.call(*split_method(details.method), context.traceparent)
        span.describe(context)
        others = (pair for pair in details.metadata or () if pair[0] != TRACEPARENT_HEADER)
        metadata = (*others, (TRACEPARENT_HEADER, span.traceparent))
        traced = change_details(details, timeout_seconds=details.timeout, metadata=metadata)
        return traced, span


C = TypeVar("C")


def _end_with(call: C, span: CallSpan) -> C:
    def end(done: grpc.Call) -> None:
        code = done.code()
        span.end(None if code is grpc.StatusCode.OK else code)

    call.add_done_callback(end)  # type: ignore[attr-defined]  # calls of all kinds are futures
    return call
