"""Metadata and span of every outgoing call, for threads and for asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mesh.call.call_details import check_unset, split_method
from mesh.call.context import TRACEPARENT_HEADER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mesh.call.context import CallContext
    from mesh.call.tracing import CallSpan, CallTracer


def begin_call(
    method: str,
    metadata: Iterable[tuple[str, str | bytes]] | None,
    context: CallContext,
    headers: Mapping[str, str],
    tracer: CallTracer | None,
) -> tuple[tuple[tuple[str, str | bytes], ...], CallSpan | None]:
    """Return the metadata that a call leaves with, and its span if calls are traced.

    Args:
        method: Full name of the method, with its leading slash.
        metadata: What the caller gives.
        context: In which the call is made.
        headers: Of the context.
        tracer: Begins the span, as child of the context's trace; the span is what goes on.

    Raises:
        InvalidInput: The caller gives one of the headers.
    """
    given = tuple(metadata or ())
    check_unset(given, headers)
    if tracer is None:
        return (*given, *headers.items()), None
    span = tracer.call(*split_method(method), context.traceparent)
    span.describe(context)
    traced = {**headers, TRACEPARENT_HEADER: span.traceparent}
    return (*given, *traced.items()), span
