"""The root of the error tree, and the kinds that say how a caller should react.

A package hangs its own errors under a root of its own and under one of these kinds; the
server interceptor maps the kind to a gRPC status (`core.grpc_status`)::

    PagesimError                     UNKNOWN
    ├── InvalidInput                 INVALID_ARGUMENT     the request is wrong; change it
    │   └── InvalidColumn                                 bytes that are no such column
    ├── NotFound                     NOT_FOUND            the thing named is not there
    ├── AlreadyExists                ALREADY_EXISTS       a different thing has that name
    ├── WrongState                   FAILED_PRECONDITION  not now; do something else first
    ├── Exhausted                    RESOURCE_EXHAUSTED   over a limit; send less
    ├── Unavailable                  UNAVAILABLE          try again
    ├── Unauthenticated              UNAUTHENTICATED      say who you are
    └── Forbidden                    PERMISSION_DENIED    this caller may not do this
"""

from __future__ import annotations

from typing import ClassVar

import grpc


class PagesimError(Exception):
    """Say what is wrong and what to do about it.

    Args:
        problem: The value and the rule it breaks, as a sentence.
        remedy: What to do, as a sentence.
        field: Name of the request field or file entry at fault, if there is one.
    """

    status: ClassVar[grpc.StatusCode] = grpc.StatusCode.UNKNOWN

    def __init__(self, problem: str, *, remedy: str, field: str = "") -> None:
        super().__init__(problem, remedy, field)
        self.problem = problem
        self.remedy = remedy
        self.field = field

    def __str__(self) -> str:
        where = f"{self.field}: " if self.field else ""
        return f"{where}{self.problem} {self.remedy}"

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions with keyword-only arguments do not pickle by themselves, and worker
        # processes send theirs home.
        return _rebuild, (type(self), self.problem, self.remedy, self.field)


def _rebuild(kind: type[PagesimError], problem: str, remedy: str, field: str) -> PagesimError:
    return kind(problem, remedy=remedy, field=field)


class InvalidInput(PagesimError):
    """Refuse a request that is wrong in itself."""

    status = grpc.StatusCode.INVALID_ARGUMENT


class InvalidColumn(InvalidInput):
    """Refuse bytes that are not the column they claim to be."""


class NotFound(PagesimError):
    """Refuse a request for something that is not there."""

    status = grpc.StatusCode.NOT_FOUND


class AlreadyExists(PagesimError):
    """Refuse to replace something that has the same name."""

    status = grpc.StatusCode.ALREADY_EXISTS


class WrongState(PagesimError):
    """Refuse a request that something else must precede."""

    status = grpc.StatusCode.FAILED_PRECONDITION


class Exhausted(PagesimError):
    """Refuse a request that goes over a limit."""

    status = grpc.StatusCode.RESOURCE_EXHAUSTED


class Unavailable(PagesimError):
    """Report that something is not reachable at the moment."""

    status = grpc.StatusCode.UNAVAILABLE


class Unauthenticated(PagesimError):
    """Refuse a caller that does not prove who it is."""

    status = grpc.StatusCode.UNAUTHENTICATED


class Forbidden(PagesimError):
    """Refuse a caller that is known, and may not do this."""

    status = grpc.StatusCode.PERMISSION_DENIED


def find_error(name: str, kind: type[PagesimError] = PagesimError) -> type[PagesimError]:
    """Return the class of that name at or below the kind; the kind itself if there is none.

    For errors that arrive from another process by name: their package may not be imported.
    """
    waiting = [kind]
    while waiting:
        candidate = waiting.pop()
        if candidate.__name__ == name:
            return candidate
        waiting.extend(candidate.__subclasses__())
    return kind
