"""The aggregated discovery server: pushes snapshots to Envoys, and tracks acknowledgements."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Protocol

import grpc
import structlog

from core.errors import Unavailable
from mesh.errors import ConfigurationRejected
from mesh.xds.kinds import KIND_BY_TYPE_URL, Kind
from mesh.xds.messages import DELTA_REQUEST, DELTA_RESPONSE, message_class
from mesh.xds.snapshot import EMPTY
from mesh.xds.subscription import Request, Subscription

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from google.protobuf.message import Message

    from mesh.xds.discovery_metrics import DiscoveryMetrics
    from mesh.xds.snapshot import Snapshot
    from mesh.xds.subscription import Refusal, Response

SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"

_log = structlog.get_logger("mesh.xds")


class DiscoveryServer:
    """Serve delta ADS from the snapshot published last.

    Every publication has a revision; `wait_acknowledged` blocks until each connected Envoy
    has taken it, and raises with Envoy's own reason when one refuses.
    """

    def __init__(self, metrics: DiscoveryMetrics) -> None:
        self._metrics = metrics
        lock = threading.RLock()
        self._changed = threading.Condition(lock)  # there may be something to send
        self._settled = threading.Condition(lock)  # somebody may have waited for this
        self._snapshot = EMPTY
        self._revision = 0
        self._streams: set[_Stream] = set()
        self._nonces = itertools.count(1)

    def publish(self, snapshot: Snapshot) -> int:
        """Make the snapshot what Envoy is to follow; return its revision."""
        with self._changed:
            self._snapshot = snapshot
            self._revision += 1
            self._changed.notify_all()
            return self._revision

    def wait_acknowledged(
        self, revision: int, kinds: frozenset[Kind], *, timeout_seconds: float
    ) -> None:
        """Wait until every connected Envoy, one at least, has taken the revision.

        Raises:
            ConfigurationRejected: An Envoy refused it; the message holds its reason.
            Unavailable: There was no answer in time.
        """
        with self._settled:
            answered = self._settled.wait_for(
                lambda: self._refusal(revision, kinds) or self._is_taken(revision, kinds),
                timeout_seconds,
            )
            refusal = self._refusal(revision, kinds)
        if refusal is not None:
            raise ConfigurationRejected(
                f"Envoy refused the configuration: {refusal.reason}.",
                remedy="It goes on with the configuration before. Change what was asked for.",
            )
        if not answered:
            raise Unavailable(
                f"Envoy did not take the configuration within {timeout_seconds:g} seconds.",
                remedy="See envoy.log in the mesh directory; then try again.",
            )

    def add_to_server(self, server: grpc.Server) -> None:
        """Serve discovery on the server."""
        handler: grpc.RpcMethodHandler[Message, Message] = (
            grpc.stream_stream_rpc_method_handler(
                self._serve,
                request_deserializer=message_class(DELTA_REQUEST).FromString,
                response_serializer=lambda message: message.SerializeToString(),
            )
        )
        generic = grpc.method_handlers_generic_handler(
            SERVICE, {"DeltaAggregatedResources": handler}
        )
        server.add_generic_rpc_handlers((generic,))

    def _serve(
        self, requests: Iterator[_DeltaRequest], call: grpc.ServicerContext
    ) -> Iterator[Message]:
        stream = _Stream()
        with self._changed:
            self._streams.add(stream)
        call.add_callback(lambda: self._end(stream))
        threading.Thread(
            target=self._read, args=(requests, stream), name="ads-reader", daemon=True
        ).start()
        _log.info("envoy_connected", peer=call.peer())
        try:
            while (message := self._next_message(stream)) is not None:
                yield message
        finally:
            self._end(stream)
            _log.info("envoy_disconnected", peer=call.peer())

    def _read(self, requests: Iterator[_DeltaRequest], stream: _Stream) -> None:
        try:
            for message in requests:
                kind = KIND_BY_TYPE_URL.get(message.type_url)
                if kind is not None:
                    self._receive(stream, kind, _read_request(message))
        except grpc.RpcError:
            _log.debug("ads_stream_broken")  # the way in which every stream ends
        finally:
            self._end(stream)

    def _receive(self, stream: _Stream, kind: Kind, request: Request) -> None:
        with self._changed:
            subscription = stream.subscriptions.get(kind)
            if subscription is None:
                subscription = stream.subscriptions[kind] = Subscription(request)
                refusal = None
            else:
                refusal = subscription.receive(request)
            self._changed.notify_all()
            self._settled.notify_all()
        if refusal is not None:
            self._metrics.count_refusal(kind)
            _log.error("envoy_refused", kind=kind.name, reason=refusal.reason)
        elif request.nonce:
            self._metrics.count_acknowledgement(kind)

    def _next_message(self, stream: _Stream) -> Message | None:
        with self._changed:
            while not stream.ended:
                found = self._next_response(stream)
                if found is not None:
                    kind, response = found
                    resources = self._snapshot.resources[kind]
                    self._metrics.count_push(kind)
                    return _write_response(
                        kind,
                        response,
                        {name: resources[name].body for name in response.changed},
                    )
                self._settled.notify_all()
                self._changed.wait()
        return None

    def _next_response(self, stream: _Stream) -> tuple[Kind, Response] | None:
        for kind in Kind:
            subscription = stream.subscriptions.get(kind)
            if subscription is None:
                continue
            response = subscription.respond(
                self._snapshot.versions(kind), self._revision, str(next(self._nonces))
            )
            if response is not None:
                # Nothing is held back until an earlier kind is acknowledged: Envoy does
                # not acknowledge clusters before it has their endpoints.
                return kind, response
        return None

    def _is_taken(self, revision: int, kinds: frozenset[Kind]) -> bool:
        return bool(self._streams) and all(
            self._is_taken_by(stream, revision, kind)
            for stream in self._streams
            for kind in kinds
        )

    def _is_taken_by(self, stream: _Stream, revision: int, kind: Kind) -> bool:
        names = self._snapshot.resources[kind]
        subscription = stream.subscriptions.get(kind)
        if subscription is None:
            return not names  # Envoy does not ask for endpoints while it has no cluster
        return subscription.follows(names) and subscription.settled_revision >= revision

    def _refusal(self, revision: int, kinds: frozenset[Kind]) -> Refusal | None:
        for stream in self._streams:
            for kind in kinds & stream.subscriptions.keys():
                refusal = stream.subscriptions[kind].refusal
                if refusal is not None and refusal.revision >= revision:
                    return refusal
        return None

    def _end(self, stream: _Stream) -> None:
        with self._changed:
            stream.ended = True
            self._streams.discard(stream)
            self._changed.notify_all()
            self._settled.notify_all()


class _Stream:
    """One Envoy's connection."""

    def __init__(self) -> None:
        self.subscriptions: dict[Kind, Subscription] = {}
        self.ended = False


class _ErrorDetail(Protocol):
    code: int
    message: str


class _DeltaRequest(Protocol):
    """The fields of DeltaDiscoveryRequest that we read."""

    type_url: str
    resource_names_subscribe: list[str]
    resource_names_unsubscribe: list[str]
    initial_resource_versions: Mapping[str, str]
    response_nonce: str
    error_detail: _ErrorDetail

    def HasField(self, name: str) -> bool: ...  # noqa: N802 - protobuf's name


def _read_request(message: _DeltaRequest) -> Request:
    refused = message.HasField("error_detail")
    return Request(
        subscribe=tuple(message.resource_names_subscribe),
        unsubscribe=tuple(message.resource_names_unsubscribe),
        initial_versions=dict(message.initial_resource_versions),
        nonce=message.response_nonce,
        refusal=(message.error_detail.message or "no reason given") if refused else "",
    )


def _write_response(kind: Kind, response: Response, bodies: Mapping[str, bytes]) -> Message:
    return message_class(DELTA_RESPONSE)(
        type_url=kind.type_url,
        nonce=response.nonce,
        system_version_info=str(response.revision),
        removed_resources=response.removed,
        resources=[
            {
                "name": name,
                "version": version,
                "resource": {"type_url": kind.type_url, "value": bodies[name]},
            }
            for name, version in response.changed.items()
        ],
    )
