"""Errors as gRPC statuses, and back.

A PagesimError travels as its status code and message, with google.rpc details: an
ErrorInfo (reason = class name, domain = "pagesim", metadata = problem, remedy, field) and,
when a field of the request is at fault, a BadRequest.

All of it travels in headers, several times and encoded. A client of gRPC takes 8 KiB of
headers; a proxy that is sent more than 64 KiB closes the connection, which other calls share.
So texts are shortened until a status fits, whatever a message echoes.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

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
    from collections.abc import Callable, Iterable, Iterator

    from google.protobuf.message import Message

STATUS_BYTES: Final = 7 << 10
"""What a status takes in headers at most: 8 KiB, less what servers and proxies add."""
SHOWN_CHARACTERS: Final = 2048
"""Of a text that is told in a message of its own, such as the fault of one page of many."""
_LENGTHS: Final = tuple(SHOWN_CHARACTERS * 3**step // 4**step for step in range(16))
_ESCAPED: Final = re.compile(rb"[^\x20-\x24\x26-\x7e]")
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

    def write(length: int) -> grpc.Status:
        texts = (error.problem, error.remedy, error.field)
        return _write_status(error, *(shorten(text, length) for text in texts))

    return _fit(write)


def write_peer_status(error: grpc.RpcError) -> grpc.Status:
    """Return the status of a call to a peer, to be handed on: same code, message and details.

    One that is too long to be handed on is shortened, and keeps its details only if they are
    our own.
    """
    told = _Status(error.code(), error.details() or "", _peer_details(error))
    if _count_bytes(told) <= STATUS_BYTES:
        return told
    own = error_from_call(error) if _error_info(error) is not None else None
    return write_status(own) if own else write_text(error.code(), error.details() or "")


def write_text(code: grpc.StatusCode, text: str) -> grpc.Status:
    """Return a status of a code and a message alone."""
    return _fit(lambda length: _Status(code, shorten(text, length), ()))


def shorten(text: str, characters: int = SHOWN_CHARACTERS) -> str:
    """Return the text, or its beginning and end with what is left out between them counted.

    What cannot be encoded as UTF-8, half of a surrogate pair, is escaped.
    """
    if len(text) > characters:
        half = characters // 2
        left_out = len(text) - 2 * half
        text = f"{text[:half]}... ({left_out} characters left out) ...{text[-half:]}"
    return text.encode("utf-8", "backslashreplace").decode()


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
    return error.code() is grpc.StatusCode.UNAVAILABLE and not is_told_by_service(error)


def is_told_by_service(error: grpc.RpcError) -> bool:
    """Return whether the error is one of pagesim's own, raised at the other end."""
    return _error_info(error) is not None


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


@dataclass(frozen=True, slots=True)
class _Status(grpc.Status):
    code: grpc.StatusCode
    details: str
    trailing_metadata: tuple[tuple[str, str | bytes], ...]


def _fit(write: Callable[[int], grpc.Status]) -> grpc.Status:
    """Return the status with the longest texts that is not too long."""
    statuses = map(write, _LENGTHS)
    return next(status for status in statuses if _count_bytes(status) <= STATUS_BYTES)


def _write_status(error: PagesimError, problem: str, remedy: str, field: str) -> grpc.Status:
    message = f"{field}: {problem} {remedy}" if field else f"{problem} {remedy}"
    info = error_details_pb2.ErrorInfo(
        reason=type(error).__name__,
        domain=_DOMAIN,
        metadata={"problem": problem, "remedy": remedy, "field": field},
    )
    details = [_pack(info)]
    if field and isinstance(error, InvalidInput):
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=field, description=message
        )
        details.append(_pack(error_details_pb2.BadRequest(field_violations=[violation])))
    status = status_pb2.Status(code=_number(error.status), message=message, details=details)
    written: grpc.Status = rpc_status.to_status(status)
    return written


def _count_bytes(status: grpc.Status) -> int:
    """Return how many bytes a status takes in headers: in base 64, and percent-encoded."""
    escaped = len(_ESCAPED.findall(status.details.encode()))
    message = len(status.details.encode()) + 2 * escaped
    details = (-(-len(value) // 3) * 4 for _, value in status.trailing_metadata or ())
    return message + sum(details)


def _peer_details(error: grpc.RpcError) -> tuple[tuple[str, str | bytes], ...]:
    # Pairs: named ones of threads, plain ones of asyncio.
    pairs: Iterable[tuple[str, str | bytes]] = error.trailing_metadata() or ()  # type: ignore[assignment]
    return tuple((name, value) for name, value in pairs if name == _DETAILS_HEADER)


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
