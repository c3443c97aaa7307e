"""Handling of every served call: context, errors, metrics and log."""

from __future__ import annotations

import contextvars
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import grpc
import structlog

from core.errors import Exhausted, PagesimError
from core.grpc_status import shorten, write_peer_status, write_status, write_text
from mesh.call.call_details import split_method
from mesh.call.context import TRACEPARENT_HEADER, read_context, set_context
from mesh.call.deadlines import set_remaining_seconds
from mesh.serving.call_metrics import Served
from mesh.serving.handlers import is_stream, refuse_malformed, wrap_handler

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from mesh.call.tracing import CallSpan, CallTracer
    from mesh.security.call_origin import CallOrigin
    from mesh.serving.call_metrics import CallMetrics

INFRASTRUCTURE = ("grpc.health.", "grpc.reflection.")
_FAULT_CHARACTERS = 512
_CENTURY_SECONDS = 100 * 365 * 86400.0

Q = TypeVar("Q")
R = TypeVar("R")

_log = structlog.get_logger("mesh.serving")


class CallInterceptor(grpc.ServerInterceptor):
    """Serve each call in its context, answer errors as statuses, count and log.

    Of health and reflection only malformed requests are refused. Of other calls, `workers` are
    served at once; those that stream have places of their own, half as many, and more are
    refused: a stream lasts for as long as its caller likes. A call to a service outside
    `contextless` fails if it did not come through the mesh, as `origin` knows, and with
    FAILED_PRECONDITION when it carries no stack or no as-of.
    """

    def __init__(
        self,
        metrics: CallMetrics,
        *,
        workers: int,
        contextless: Collection[str] = (),
        origin: CallOrigin | None = None,
        tracer: CallTracer | None = None,
    ) -> None:
        self._metrics = metrics
        self._working = threading.Semaphore(workers)
        self._streams = max(workers // 2, 1)
        self._streaming = threading.Semaphore(self._streams)
        self._contextless = frozenset(contextless)
        self._origin = origin
        self._tracer = tracer

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler[Q, R] | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Q, R] | None:
        """Wrap the method's handler."""
        handler = continuation(handler_call_details)
        service, method = split_method(handler_call_details.method)
        if handler is None:
            return None
        if service.startswith(INFRASTRUCTURE):
            return refuse_malformed(handler)
        a_place = self._a_stream if is_stream(handler) else self._a_worker

        @contextmanager
        def surround(call: grpc.ServicerContext) -> Iterator[contextvars.Context]:
            with self._serve(service, method, call) as variables, a_place():
                yield variables

        return wrap_handler(handler, surround)

    @contextmanager
    def _a_worker(self) -> Iterator[None]:
        with self._working:
            yield

    @contextmanager
    def _a_stream(self) -> Iterator[None]:
        if not self._streaming.acquire(blocking=False):
            raise Exhausted(
                f"{self._streams} streams are served already.",
                remedy="Read or end those that are open, or try again later.",
            )
        try:
            yield
        finally:
            self._streaming.release()

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
                if self._origin is not None:
                    self._origin.check(call)
                context = read_context(call.invocation_metadata())
                if span is not None:
                    span.describe(context)
                    context = replace(context, traceparent=span.traceparent)
                variables.run(set_context, context)
                served = Served(service, method, context.stack, context.variant)
            yield variables
            code = _code_set_by_handler(call)
            _shorten_status_set_by_handler(call, code)
        except GeneratorExit:
            code = grpc.StatusCode.CANCELLED
            raise
        except PagesimError as error:
            code = error.status
            status = write_status(error)
            report_failure(served, status)
            call.abort_with_status(status)
        except grpc.RpcError as error:
            code = error.code()
            status = write_peer_status(error)
            report_failure(served, status)
            call.abort_with_status(status)
        except Exception as error:
            code = _code_set_by_handler(call)
            if _shorten_status_set_by_handler(call, code):
                raise
            code = code or grpc.StatusCode.INTERNAL
            call.abort_with_status(report_fault(error, served, code))
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


def report_failure(served: Served, status: grpc.Status) -> None:
    """Log a call that ends with an error that a caller can do something about."""
    _log.warning(
        "call_failed", **served._asdict(), code=status.code.name, message=status.details
    )


def report_fault(error: Exception, served: Served, code: grpc.StatusCode) -> grpc.Status:
    """Log what a handler should not have raised; return the status that the call ends with."""
    _log.exception("call_crashed", service=served.service, method=served.method)
    text = shorten(str(error), _FAULT_CHARACTERS)
    return write_text(
        code,
        f"{type(error).__name__}: {text}. This is a fault in {served.service}; its log has the "
        "traceback.",
    )


def _shorten_status_set_by_handler(
    call: grpc.ServicerContext, code: grpc.StatusCode | None
) -> bool:
    """Return whether the handler said something with the code that it set."""
    details: object = call.details()  # type: ignore[attr-defined]  # the stubs lag behind
    if code is None or not isinstance(details, bytes):
        return False
    call.set_details(write_text(code, details.decode(errors="replace")).details)
    return True


def _code_set_by_handler(call: grpc.ServicerContext) -> grpc.StatusCode | None:
    code: object = call.code()  # type: ignore[attr-defined]  # the stubs lag behind
    return code if isinstance(code, grpc.StatusCode) and code.value[0] else None


def _remaining_seconds(call: grpc.ServicerContext) -> float | None:
    # gRPC gives a call without a deadline some centuries.
    remaining_seconds = call.time_remaining()
    return remaining_seconds if remaining_seconds < _CENTURY_SECONDS else None
