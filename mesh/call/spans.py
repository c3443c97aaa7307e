"""Spans of calls, by OpenTelemetry. Only imported when an exporter is configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from core.moments import format_moment
from mesh.call.context import TRACEPARENT_HEADER

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

    from mesh.call.context import CallContext

_PROPAGATOR = TraceContextTextMapPropagator()


def open_tracer() -> OpenTelemetryTracer:
    """Return a tracer that exports in the background, and the rest when the process exits."""
    resource = Resource.create()
    if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: "pagesim"}))
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return OpenTelemetryTracer(provider.get_tracer("pagesim"))


class OpenTelemetryTracer:
    """Begin the spans of calls."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def serve(self, service: str, method: str, traceparent: str) -> OpenTelemetrySpan:
        """Begin the span of a call that is served."""
        return self._begin(service, method, traceparent, SpanKind.SERVER)

    def call(self, service: str, method: str, traceparent: str) -> OpenTelemetrySpan:
        """Begin the span of a call that is made."""
        return self._begin(service, method, traceparent, SpanKind.CLIENT)

    def _begin(
        self, service: str, method: str, traceparent: str, kind: SpanKind
    ) -> OpenTelemetrySpan:
        # A malformed traceparent begins a new trace, as W3C asks for.
        parent = _PROPAGATOR.extract({TRACEPARENT_HEADER: traceparent})
        span = self._tracer.start_span(
            f"{service}/{method}",
            parent,
            kind,
            {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method},
        )
        return OpenTelemetrySpan(span)


class OpenTelemetrySpan:
    """One end of a call."""

    def __init__(self, span: Span) -> None:
        self._span = span

    @property
    def traceparent(self) -> str:
        """The W3C trace context by which what follows becomes its child."""
        span = self._span.get_span_context()
        return f"00-{span.trace_id:032x}-{span.span_id:016x}-{int(span.trace_flags):02x}"

    def describe(self, context: CallContext) -> None:
        """Add stack, as-of, known-by, snapshot and variant."""
        attributes: dict[str, str | int] = {
            "pagesim.stack": context.stack,
            "pagesim.as_of": format_moment(context.as_of_micros),
            "pagesim.variant": context.variant,
        }
        if context.known_by_micros is not None:
            attributes["pagesim.known_by"] = format_moment(context.known_by_micros)
        if context.snapshot is not None:
            attributes["pagesim.snapshot"] = context.snapshot
        self._span.set_attributes(attributes)

    def end(self, code: grpc.StatusCode | None) -> None:
        """End it with the status of the call; None means OK."""
        code = code or grpc.StatusCode.OK
        self._span.set_attribute("rpc.grpc.status_code", code.value[0])
        if code is not grpc.StatusCode.OK:
            self._span.set_status(Status(StatusCode.ERROR, code.name))
        self._span.end()
