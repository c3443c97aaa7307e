"""Channels for asyncio: every call carries the context, or is not sent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio

from mesh.call.addresses import parse_address
from mesh.call.context import current_context, forwarded_headers
from mesh.call.deadlines import remaining_seconds
from mesh.call.tracing import process_tracer
from mesh.channels.channels import CHANNEL_OPTIONS, secure_options
from mesh.channels.outgoing import begin_call
from mesh.security.certificates import Role
from mesh.security.tls import channel_credentials

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mesh.call.tracing import CallSpan, CallTracer
    from mesh.security.tls import Tls

    Continue = Callable[[grpc.aio.ClientCallDetails, Any], Awaitable[Any]]


def connect_async(mesh_address: str, *, tls: Tls | None = None) -> grpc.aio.Channel:
    """Open a channel to every service of the current stack, for asyncio.

    A call carries what `connect` makes it carry. Without a context, awaiting it raises
    MissingContext and nothing is sent.

    Raises:
        InvalidInput: The mesh address is not a host:port.
        InvalidCertificate: A file of `tls` cannot be read.
    """
    target = str(parse_address(mesh_address, field="--mesh-address"))
    tracer = process_tracer()
    # gRPC takes each for the first kind of call that it is made for.
    kinds = (_UnaryUnary, _UnaryStream, _StreamUnary, _StreamStream)
    interceptors = [kind(tracer) for kind in kinds]
    if tls is None:
        return grpc.aio.insecure_channel(
            target, options=CHANNEL_OPTIONS, interceptors=interceptors
        )
    return grpc.aio.secure_channel(
        target,
        channel_credentials(tls),
        options=secure_options(Role.MESH),
        interceptors=interceptors,
    )


class _ContextInterceptor:
    """Add headers, deadline and span to a call."""

    def __init__(self, tracer: CallTracer | None) -> None:
        self._tracer = tracer
        self._ending: set[asyncio.Task[None]] = set()

    async def call(
        self,
        continuation: Continue,
        details: grpc.aio.ClientCallDetails,
        request: Any,  # noqa: ANN401 - a message, or an iterator of messages
    ) -> Any:  # noqa: ANN401 - a call of the kind that gRPC makes
        context = current_context()
        metadata, span = begin_call(
            _decode(details.method),
            details.metadata,
            context,
            forwarded_headers(context),
            self._tracer,
        )
        call = await continuation(
            grpc.aio.ClientCallDetails(
                method=details.method,
                timeout=remaining_seconds(details.timeout),
                metadata=grpc.aio.Metadata(*metadata),
                credentials=details.credentials,
                wait_for_ready=details.wait_for_ready,
            ),
            request,
        )
        if span is not None:
            ending = asyncio.ensure_future(_end(call, span))
            self._ending.add(ending)  # asyncio itself does not keep tasks alive
            ending.add_done_callback(self._ending.discard)
        return call


def _decode(method: object) -> str:
    # The stubs say text, gRPC gives bytes.
    return method.decode() if isinstance(method, bytes) else str(method)


async def _end(call: grpc.aio.Call, span: CallSpan) -> None:
    span.end(await call.code())


# gRPC passes arguments by position.
class _UnaryUnary(_ContextInterceptor, grpc.aio.UnaryUnaryClientInterceptor):
    intercept_unary_unary = _ContextInterceptor.call  # type: ignore[assignment]


class _UnaryStream(_ContextInterceptor, grpc.aio.UnaryStreamClientInterceptor):
    intercept_unary_stream = _ContextInterceptor.call  # type: ignore[assignment]


class _StreamUnary(_ContextInterceptor, grpc.aio.StreamUnaryClientInterceptor):
    intercept_stream_unary = _ContextInterceptor.call  # type: ignore[assignment]


class _StreamStream(_ContextInterceptor, grpc.aio.StreamStreamClientInterceptor):
    intercept_stream_stream = _ContextInterceptor.call  # type: ignore[assignment]
