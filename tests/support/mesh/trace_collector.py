"""A collector of OpenTelemetry traces: an OTLP server that keeps what it is sent."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
from opentelemetry.proto.collector.trace.v1 import (
    trace_service_pb2,
    trace_service_pb2_grpc,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType
    from typing import Self

    from opentelemetry.proto.common.v1.common_pb2 import KeyValue

_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """A span as it came; ids are hexadecimal, kind 2 is a server and 3 a client."""

    process: str
    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    failed: bool
    attributes: dict[str, str | int]


class TraceCollector(trace_service_pb2_grpc.TraceServiceServicer):
    """Collect spans within a `with` block.

    Attributes:
        endpoint: What OTEL_EXPORTER_OTLP_ENDPOINT is to say.
    """

    def __init__(self) -> None:
        self._spans: list[ReceivedSpan] = []
        self._arrived = threading.Condition()
        self._server = grpc.server(ThreadPoolExecutor(4))
        add: Callable[[object, grpc.Server], None] = (
            trace_service_pb2_grpc.add_TraceServiceServicer_to_server
        )
        add(self, self._server)
        self.endpoint = f"http://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def Export(  # noqa: N802 - gRPC names methods
        self,
        request: trace_service_pb2.ExportTraceServiceRequest,
        context: grpc.ServicerContext,
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        """Keep the spans."""
        del context
        received = [
            ReceivedSpan(
                process=str(_values(resource.resource.attributes)["service.name"]),
                name=span.name,
                kind=span.kind,
                trace_id=span.trace_id.hex(),
                span_id=span.span_id.hex(),
                parent_id=span.parent_span_id.hex(),
                failed=span.status.code == span.status.STATUS_CODE_ERROR,
                attributes=_values(span.attributes),
            )
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        with self._arrived:
            self._spans.extend(received)
            self._arrived.notify_all()
        return trace_service_pb2.ExportTraceServiceResponse()

    def wait(
        self, number: int, chosen: Callable[[ReceivedSpan], bool] = lambda _: True
    ) -> list[ReceivedSpan]:
        """Return the chosen spans when there are so many; what there is after a while."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        with self._arrived:
            while True:
                found = [span for span in self._spans if chosen(span)]
                left = deadline - time.monotonic()
                if len(found) >= number or left <= 0:
                    return found
                self._arrived.wait(left)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._server.stop(0).wait()


def _values(attributes: Iterable[KeyValue]) -> dict[str, str | int]:
    return {
        one.key: one.value.string_value
        if one.value.HasField("string_value")
        else one.value.int_value
        for one in attributes
    }
