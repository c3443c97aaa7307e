"""Handling of every call served by asyncio: context, errors, metrics and log."""

from __future__ import annotations

import asyncio
import inspect
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

import grpc
import grpc.aio

from core.errors import InvalidInput, PagesimError
from core.grpc_status import write_peer_status, write_status, write_text
from mesh.call.call_details import split_method
from mesh.call.context import TRACEPARENT_HEADER, read_context, set_context
from mesh.call.deadlines import set_remaining_seconds
from mesh.serving.call_metrics import Served
from mesh.serving.calls import INFRASTRUCTURE, report_failure, report_fault
from mesh.serving.handlers import behaviour_of, check_request, remake_handler

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from mesh.call.tracing import CallTracer
    from mesh.security.call_origin import CallOrigin
    from mesh.serving.call_metrics import CallMetrics

    Handler = grpc.RpcMethodHandler[Any, Any]
    Behaviour = Callable[[Any, grpc.aio.ServicerContext[Any, Any]], Any]

_CODES = {code.value[0]: code for code in grpc.StatusCode}


class AsyncCallInterceptor(grpc.aio.ServerInterceptor):
    """Serve each call in its context, answer errors as statuses, count and log.

    The counterpart of CallInterceptor. gRPC runs each call in a task of its own, so the
    context is the task's, and that of every task and `asyncio.to_thread` it begins.
    """

    def __init__(
        self,
        metrics: CallMetrics,
        *,
        origin: CallOrigin | None = None,
        tracer: CallTracer | None = None,
    ) -> None:
        self._metrics = metrics
        self._origin = origin
        self._tracer = tracer

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Wrap the method's handler.

        Raises:
            InvalidInput: The handler is not a coroutine: its context would be lost on the way
                to a thread.
        """
        handler = await continuation(handler_call_details)
        service, method = split_method(handler_call_details.method)
        if handler is None:
            return None
        behaviour = behaviour_of(handler)
        if service.startswith(INFRASTRUCTURE):
            return remake_handler(handler, _refusing_malformed(behaviour))
        if not (
            inspect.iscoroutinefunction(behaviour) or inspect.isasyncgenfunction(behaviour)
        ):
            raise InvalidInput(
                f"{service}/{method} is served by asyncio and is not a coroutine.",
                remedy="Write it with `async def`, or serve it with `serve`.",
                field=method,
            )

        async def answer(request: Any, call: grpc.aio.ServicerContext[Any, Any]) -> Any:  # noqa: ANN401 - messages
            return await self._serve(service, method, behaviour, request, call)

        return remake_handler(handler, answer)

    async def _serve(
        self,
        service: str,
        method: str,
        behaviour: Behaviour,
        request: Any,  # noqa: ANN401 - a message, or an iterator of messages
        call: grpc.aio.ServicerContext[Any, Any],
    ) -> Any:  # noqa: ANN401 - a message, or None after a stream
        started = time.perf_counter()
        shortening: Any = _ShorteningCall(call)
        served = Served(service, method)
        code: grpc.StatusCode | None = grpc.StatusCode.UNKNOWN
        headers = [(str(name), value) for name, value in call.invocation_metadata() or ()]
        traceparent = str(dict(headers).get(TRACEPARENT_HEADER, ""))
        span = self._tracer.serve(service, method, traceparent) if self._tracer else None
        try:
            set_remaining_seconds(call.time_remaining())
            if self._origin is not None:
                self._origin.check(call)
            context = read_context(headers)
            if span is not None:
                span.describe(context)
                context = replace(context, traceparent=span.traceparent)
            set_context(context)
            served = Served(service, method, context.stack, context.variant)
            answer = await _run(behaviour, _checked(request), shortening)
            code = _code_set_by_handler(call)
        except asyncio.CancelledError:
            code = grpc.StatusCode.CANCELLED
            raise
        except PagesimError as error:
            code = error.status
            status = write_status(error)
            report_failure(served, status)
            await _abort(call, status)
        except grpc.RpcError as error:
            code = error.code()
            status = write_peer_status(error)
            report_failure(served, status)
            await _abort(call, status)
        except grpc.aio.AbortError:
            code = _code_set_by_handler(call)
            raise
        except Exception as error:  # noqa: BLE001 - it is logged, and ends the call
            code = _code_set_by_handler(call) or grpc.StatusCode.INTERNAL
            await _abort(call, report_fault(error, served, code))
        finally:
            self._metrics.count(served, seconds=time.perf_counter() - started, code=code)
            if span is not None:
                span.end(code)
        return answer


def _refusing_malformed(behaviour: Behaviour) -> Behaviour:
    """Return a behaviour, of health or reflection, that is given no malformed request."""

    async def answer(request: Any, call: grpc.aio.ServicerContext[Any, Any]) -> Any:  # noqa: ANN401 - messages
        try:
            return await _run(behaviour, _checked(request), call)
        except InvalidInput as error:
            await _abort(call, write_status(error))

    return answer


class _ShorteningCall:
    """A call as its handler sees it: texts that it ends with are shortened.

    They cannot be shortened later: what a call is aborted with is sent at once.
    """

    def __init__(self, call: grpc.aio.ServicerContext[Any, Any]) -> None:
        self._call = call

    def __getattr__(self, name: str) -> object:
        return getattr(self._call, name)

    def set_details(self, details: str) -> None:
        self._call.set_details(write_text(grpc.StatusCode.UNKNOWN, details).details)

    async def abort(
        self,
        code: grpc.StatusCode,
        details: str = "",
        trailing_metadata: tuple[tuple[str, str | bytes], ...] = (),
    ) -> NoReturn:
        await self._call.abort(code, write_text(code, details).details, trailing_metadata)
        raise AssertionError("abort raises")


async def _abort(call: grpc.aio.ServicerContext[Any, Any], status: grpc.Status) -> NoReturn:
    await call.abort(status.code, status.details, tuple(status.trailing_metadata or ()))
    raise AssertionError("abort raises")


async def _run(
    behaviour: Behaviour,
    request: Any,  # noqa: ANN401 - a message, or an iterator of messages
    call: grpc.aio.ServicerContext[Any, Any],
) -> Any:  # noqa: ANN401 - a message, or None after a stream
    answered = behaviour(request, call)
    if not inspect.isasyncgen(answered):
        return await answered
    async for message in answered:
        await call.write(message)
    return None


def _checked(request: Any) -> Any:  # noqa: ANN401 - a message, or an iterator of messages
    return _check_each(request) if hasattr(request, "__aiter__") else check_request(request)


async def _check_each(requests: AsyncIterator[object]) -> AsyncIterator[object]:
    async for request in requests:
        yield check_request(request)


def _code_set_by_handler(call: grpc.aio.ServicerContext[Any, Any]) -> grpc.StatusCode | None:
    code: object = call.code()
    number = code.value[0] if isinstance(code, grpc.StatusCode) else code
    return _CODES[number] if isinstance(number, int) and number else None
