"""Errors as gRPC statuses, and back.

A PagesimError travels as its status code and message, with google.rpc details: an
ErrorInfo (reason = class name, domain = "pagesim", metadata = problem, remedy, field) and,
when a field of the request is at fault, a BadRequest.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import grpc
from google.protobuf import any_pb2
from google.rpc import (  # type: ignore[import-untyped]  # stubs without py.typed
    error_details_pb2,
    status_pb2,
)
from grpc_status import rpc_status

from core.errors import (
    AlreadyExists,
    Exhausted,
    Forbidden,
    InvalidInput,
    NotFound,
    PagesimError,
    Unauthenticated,
    Unavailable,
    WrongState,
    find_error,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from google.protobuf.message import Message

_DOMAIN = "pagesim"
_DETAILS_HEADER = "grpc-status-details-bin"
_KINDS: tuple[type[PagesimError], ...] = (
    InvalidInput,
    NotFound,
    AlreadyExists,
    WrongState,
    Exhausted,
    Unavailable,
    Unauthenticated,
    Forbidden,
)


def write_status(error: PagesimError) -> grpc.Status:
    """Return the error's status, message and details, as a call is ended with."""
    info = error_details_pb2.ErrorInfo(
        reason=type(error).__name__,
        domain=_DOMAIN,
        metadata={"problem": error.problem, "remedy": error.remedy, "field": error.field},
    )
    details = [_pack(info)]
    if error.field and isinstance(error, InvalidInput):
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=error.field, description=str(error)
        )
        details.append(_pack(error_details_pb2.BadRequest(field_violations=[violation])))
    status = status_pb2.Status(code=_number(error.status), message=str(error), details=details)
    written: grpc.Status = rpc_status.to_status(status)
    return written


def abort_with(error: PagesimError, call: grpc.ServicerContext) -> NoReturn:
    """End the call with the error's status, message and details."""
    call.abort_with_status(write_status(error))
    raise AssertionError("abort_with_status raises")


def abort_like(error: grpc.RpcError, call: grpc.ServicerContext) -> NoReturn:
    """End the call as the call to a peer ended: same code, message and details."""
    call.set_trailing_metadata(peer_details(error))
    call.abort(error.code(), error.details() or "")
    raise AssertionError("abort raises")


def peer_details(error: grpc.RpcError) -> tuple[tuple[str, str | bytes], ...]:
    """Return the trailing metadata by which an error of a peer is handed on."""
    # Pairs: named ones of threads, plain ones of asyncio.
    pairs: Iterable[tuple[str, str | bytes]] = error.trailing_metadata() or ()  # type: ignore[assignment]
    return tuple((name, value) for name, value in pairs if name == _DETAILS_HEADER)


def error_from_call(error: grpc.RpcError) -> PagesimError | None:
    """Return what a failed call reports as an error of our own kinds, if it can be one.

    The class is the one that was raised at the other end where it is imported here, else
    the kind that has the status code. Other failures (deadline, cancellation, faults)
    give None.
    """
    info = _error_info(error)
    for kind in _KINDS:
        if error.code() is kind.status:
            if info is None:
                return kind(
                    error.details() or "The call failed.",
                    remedy="The message comes from the mesh or a service; see their logs.",
                )
            raised = find_error(info.reason, kind)
            told = info.metadata
            return raised(told["problem"], remedy=told["remedy"], field=told["field"])
    return None


def is_lost(error: grpc.RpcError) -> bool:
    """Return whether a call got no answer from the other end, because that is not there."""
    return error.code() is grpc.StatusCode.UNAVAILABLE and _error_info(error) is None


@contextmanager
def raising_peer_errors() -> Iterator[None]:
    """Raise failed calls in the `with` block as errors of our own kinds.

    For the outermost caller, a person or a command. A service lets them pass: its server
    hands them on unchanged.
    """
    try:
        yield
    except grpc.RpcError as failed:
        error = error_from_call(failed)
        if error is None:
            raise
        raise error from failed


def _error_info(error: grpc.RpcError) -> error_details_pb2.ErrorInfo | None:
    for entry in error.trailing_metadata() or ():
        if entry.key == _DETAILS_HEADER:
            for detail in status_pb2.Status.FromString(entry.value).details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info) and info.domain == _DOMAIN:
                    return info
    return None


def _number(code: grpc.StatusCode) -> int:
    number: int = code.value[0]
    return number


def _pack(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
