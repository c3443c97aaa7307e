"""Channels to other services: every call carries the context, or is not sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc

from core.errors import InvalidInput
from mesh.call.addresses import parse_address
from mesh.call.call_details import change_details
from mesh.call.context import context_headers, current_context, forwarded_headers
from mesh.call.deadlines import remaining_seconds
from mesh.call.tracing import process_tracer
from mesh.channels.outgoing import begin_call
from mesh.security.call_origin import CALL_SECRET_HEADER
from mesh.security.certificates import Role
from mesh.security.tls import channel_credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mesh.call.addresses import Address
    from mesh.call.context import CallContext
    from mesh.call.tracing import CallTracer
    from mesh.security.tls import Tls

    Continue = Callable[[grpc.ClientCallDetails, Any], Any]

MAX_MESSAGE_BYTES = 64 << 20
MAX_METADATA_BYTES = 16 << 10

CHANNEL_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_metadata_size", MAX_METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
    ("grpc.enable_http_proxy", 0),  # a proxy of the environment has no business on loopback
    ("grpc.enable_retries", 0),  # Envoy retries, on another replica
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)


def connect(mesh_address: str | None, *, tls: Tls | None = None) -> grpc.Channel:
    """Open a channel to every service of the current stack.

    A call carries stack, as-of and trace of `current_context()`, and the remaining time of
    the call being served. Without a context it raises MissingContext and nothing is sent.

    Raises:
        InvalidInput: There is no mesh address, or it is not a host:port.
        InvalidCertificate: A file of `tls` cannot be read.
    """
    if mesh_address is None:
        raise InvalidInput(
            "There is no mesh to call other services through.",
            remedy="Give the mesh's address, as `python -m mesh` prints it.",
            field="--mesh-address",
        )
    channel = open_channel(parse_address(mesh_address, field="--mesh-address"), tls)
    return _carry(channel, current_context, forwarded_headers)


def open_channel(address: Address, tls: Tls | None, *, peer: Role = Role.MESH) -> grpc.Channel:
    """Open a channel that adds no header, to whoever has the peer's certificate.

    Raises:
        InvalidCertificate: A file of `tls` cannot be read.
    """
    if tls is None:
        return grpc.insecure_channel(str(address), options=CHANNEL_OPTIONS)
    return grpc.secure_channel(
        str(address), channel_credentials(tls), options=secure_options(peer)
    )


def secure_options(peer: Role) -> tuple[tuple[str, int | str], ...]:
    """Return the options of a channel that calls nobody but the peer.

    Certificates are for roles, wherever their processes listen.
    """
    return (*CHANNEL_OPTIONS, ("grpc.ssl_target_name_override", peer.host_name))


def connect_without_mesh(
    address: str, context: CallContext, *, call_secret: str = "", tls: Tls | None = None
) -> grpc.Channel:
    """Open a channel straight to one server, stamping context and secret as the mesh would.

    For tests and for one server run by hand.
    """
    target = parse_address(address, field="--mesh-address")
    channel = open_channel(target, tls, peer=Role.SERVICE)
    stamped = {CALL_SECRET_HEADER: call_secret} if call_secret else {}
    return _carry(
        channel, lambda: context, lambda context: {**context_headers(context), **stamped}
    )


def _carry(
    channel: grpc.Channel,
    context: Callable[[], CallContext],
    headers: Callable[[CallContext], Mapping[str, str]],
) -> grpc.Channel:
    return grpc.intercept_channel(
        channel, _ContextInterceptor(context, headers, process_tracer())
    )


class _ContextInterceptor(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Add headers, deadline and span to every call, whatever its kind."""

    def __init__(
        self,
        context: Callable[[], CallContext],
        headers: Callable[[CallContext], Mapping[str, str]],
        tracer: CallTracer | None,
    ) -> None:
        self._context = context
        self._headers = headers
        self._tracer = tracer

    def _call(
        self,
        continuation: Continue,
        details: grpc.ClientCallDetails,
        request: Any,  # noqa: ANN401 - a message, or an iterator of messages
    ) -> Any:  # noqa: ANN401 - a call of the kind that gRPC makes
        context = self._context()
        metadata, span = begin_call(
            details.method, details.metadata, context, self._headers(context), self._tracer
        )
        call = continuation(
            change_details(
                details, timeout_seconds=remaining_seconds(details.timeout), metadata=metadata
            ),
            request,
        )
        if span is not None:
            call.add_done_callback(lambda done: span.end(done.code()))
        return call

    # gRPC passes arguments by position.
    intercept_unary_unary = _call  # type: ignore[assignment]
    intercept_unary_stream = _call  # type: ignore[assignment]
    intercept_stream_unary = _call  # type: ignore[assignment]
    intercept_stream_stream = _call  # type: ignore[assignment]
