"""Traces of calls across hops, when an exporter is configured; otherwise nothing is loaded.

OpenTelemetry's own variables say where spans go: OTEL_EXPORTER_OTLP_ENDPOINT or
OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, with OTEL_TRACES_EXPORTER=none or OTEL_SDK_DISABLED=true to
leave it; and OTEL_SERVICE_NAME, which launched processes are given, what a process is called.
The packages are the extra `pagesim[tracing]`.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from core.errors import InvalidInput, WrongState

if TYPE_CHECKING:
    from collections.abc import Mapping

    import grpc

    from mesh.call.context import CallContext

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_EXPORTER = "OTEL_TRACES_EXPORTER"


class CallSpan(Protocol):
    """The part of a trace that one call is, at one of its ends."""

    @property
    def traceparent(self) -> str:
        """The W3C trace context by which what follows becomes its child."""

    def describe(self, context: CallContext) -> None:
        """Add stack, as-of, known-by, snapshot and variant."""

    def end(self, code: grpc.StatusCode | None) -> None:
        """End it with the status of the call; None means OK."""


class CallTracer(Protocol):
    """Begin the spans of calls."""

    def serve(self, service: str, method: str, traceparent: str) -> CallSpan:
        """Begin the span of a call that is served."""

    def call(self, service: str, method: str, traceparent: str) -> CallSpan:
        """Begin the span of a call that is made."""


def is_tracing_configured(environment: Mapping[str, str]) -> bool:
    """Say whether spans are to be exported.

    Raises:
        InvalidInput: They are to go where we cannot send them.
    """
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = environment.get(_EXPORTER, "")
    if exporter == "none" or not (exporter or any(map(environment.get, _ENDPOINTS))):
        return False
    if exporter not in ("", "otlp"):
        raise InvalidInput(
            f"{exporter!r} is not an exporter that pagesim has.",
            remedy="Set it to otlp, or to none.",
            field=_EXPORTER,
        )
    for name in _PROTOCOLS:
        if environment.get(name, "grpc") != "grpc":
            raise InvalidInput(
                f"pagesim does not export traces by {environment[name]}.",
                remedy="Set it to grpc, with the collector's gRPC endpoint (port 4317), or set "
                f"{_EXPORTER}=none.",
                field=name,
            )
    return True


@lru_cache(maxsize=1)
def process_tracer() -> CallTracer | None:
    """Return the tracer of this process; None if no exporter is configured.

    Raises:
        InvalidInput: Spans are to go where we cannot send them.
        WrongState: The packages are not installed.
    """
    if not is_tracing_configured(os.environ):
        return None
    try:
        from mesh.call.spans import open_tracer  # noqa: PLC0415 - optional, and 0.3 s
    except ModuleNotFoundError as error:
        raise WrongState(
            f"Traces are asked for, and {error.name} is not installed.",
            remedy=f"Install pagesim[tracing], or set {_EXPORTER}=none.",
            field=_EXPORTER,
        ) from error
    return open_tracer()
