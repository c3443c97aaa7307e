"""Handling of every served call: context, errors, metrics and log."""

from __future__ import annotations

import contextvars
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import grpc
import structlog

from core.errors import PagesimError
from core.grpc_status import abort_like, abort_with
from mesh.call.call_details import split_method
from mesh.call.context import TRACEPARENT_HEADER, read_context, set_context
from mesh.call.deadlines import set_remaining_seconds
from mesh.serving.call_metrics import Served
from mesh.serving.handlers import wrap_handler

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from mesh.call.tracing import CallSpan, CallTracer
    from mesh.serving.call_metrics import CallMetrics

INFRASTRUCTURE = ("grpc.health.", "grpc.reflection.")
_CENTURY_SECONDS = 100 * 365 * 86400.0

Q = TypeVar("Q")
R = TypeVar("R")

_log = structlog.get_logger("mesh.serving")


class CallInterceptor(grpc.ServerInterceptor):
    """Serve each call in its context, answer errors as statuses, count and log.

    Health and reflection pass untouched. A call to a service outside `contextless` fails
    with FAILED_PRECONDITION when it carries no stack or no as-of.
    """

    def __init__(
        self,
        metrics: CallMetrics,
        *,
        contextless: Collection[str] = (),
        tracer: CallTracer | None = None,
    ) -> None:
        self._metrics = metrics
        self._contextless = frozenset(contextless)
        self._tracer = tracer

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler[Q, R] | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Q, R] | None:
        """Wrap the method's handler."""
        handler = continuation(handler_call_details)
        service, method = split_method(handler_call_details.method)
        if handler is None or service.startswith(INFRASTRUCTURE):
            return handler
        return wrap_handler(handler, lambda call: self._serve(service, method, call))

    @contextmanager
    def _serve(
        self, service: str, method: str, call: grpc.ServicerContext
    ) -> Iterator[contextvars.Context]:
        started = time.perf_counter()
        served = Served(service, method)
        code: grpc.StatusCode | None = grpc.StatusCode.UNKNOWN
        span = self._begin_span(service, method, call)
        try:
            variables = contextvars.copy_context()
            variables.run(set_remaining_seconds, _remaining_seconds(call))
            if service not in self._contextless:
                context = read_context(call.invocation_metadata())
                if span is not None:
                    span.describe(context)
                    context = replace(context, traceparent=span.traceparent)
                variables.run(set_context, context)
                served = Served(service, method, context.stack, context.variant)
            yield variables
            code = _code_set_by_handler(call)
        except GeneratorExit:
            code = grpc.StatusCode.CANCELLED
            raise
        except PagesimError as error:
            code = error.status
            self._report(served, code, str(error))
            abort_with(error, call)
        except grpc.RpcError as error:
            code = error.code()
            self._report(served, code, error.details() or "")
            abort_like(error, call)
        except Exception as error:
            if (aborted := _code_set_by_handler(call)) is not None:
                code = aborted
                raise
            code = grpc.StatusCode.INTERNAL
            _log.exception("call_crashed", service=served.service, method=served.method)
            call.abort(
                code,
                f"{type(error).__name__}: {error}. This is a fault in {served.service}; "
                "its log has the traceback.",
            )
        finally:
            self._metrics.count(served, seconds=time.perf_counter() - started, code=code)
            if span is not None:
                span.end(code)

    def _begin_span(
        self, service: str, method: str, call: grpc.ServicerContext
    ) -> CallSpan | None:
        if self._tracer is None or service in self._contextless:
            return None
        headers = dict(call.invocation_metadata())
        return self._tracer.serve(service, method, str(headers.get(TRACEPARENT_HEADER, "")))

    def _report(self, served: Served, code: grpc.StatusCode, message: str) -> None:
        _log.warning("call_failed", **served._asdict(), code=code.name, message=message)


def _code_set_by_handler(call: grpc.ServicerContext) -> grpc.StatusCode | None:
    code: object = call.code()  # type: ignore[attr-defined]  # the stubs lag behind
    return code if isinstance(code, grpc.StatusCode) and code.value[0] else None


def _remaining_seconds(call: grpc.ServicerContext) -> float | None:
    # gRPC gives a call without a deadline some centuries.
    remaining_seconds = call.time_remaining()
    return remaining_seconds if remaining_seconds < _CENTURY_SECONDS else None
