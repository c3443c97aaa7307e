"""The context of a call: which stack, at which moment, with which facts.

The mesh stamps it on every call as headers; the serving side reads it into a context
variable, and every call made meanwhile carries it on. Nothing here has a default moment:
without a context there is an error, never "now".
"""

from __future__ import annotations

import contextvars
import re
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from core.errors import InvalidInput
from core.moments import format_moment, parse_moment
from mesh.errors import InvalidStack, MissingContext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from concurrent.futures import Future

STACK_HEADER = "x-pagesim-stack"
AS_OF_HEADER = "x-pagesim-as-of"
KNOWN_BY_HEADER = "x-pagesim-known-by"
SNAPSHOT_HEADER = "x-pagesim-snapshot"
VARIANT_HEADER = "x-pagesim-variant"
TRACEPARENT_HEADER = "traceparent"

_STACK_ID = re.compile(r"[a-z][a-z0-9-]{0,62}")
_LARGEST_SNAPSHOT = 2**63 - 1
_SNAPSHOT = re.compile(r"[0-9]{1,19}")
_TRACEPARENT = re.compile(r"[\x21-\x7e]*")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")

P = ParamSpec("P")
T = TypeVar("T")


def check_stack_id(stack_id: str, *, field: str) -> None:
    """Check that the text can name a stack.

    Raises:
        InvalidStack: It is not 1-63 of a-z, 0-9 and '-', starting with a letter.
    """
    if not _STACK_ID.fullmatch(stack_id):
        raise InvalidStack(
            f"{stack_id!r} cannot name a stack.",
            remedy="Use 1-63 of a-z, 0-9 and '-', starting with a letter.",
            field=field,
        )


def check_variant(variant: str, *, field: str) -> None:
    """Check that the text can be a variant's label, or is empty.

    Raises:
        InvalidStack: It is not 0-63 of letters, digits, '.', '_' and '-'.
    """
    if variant and not _LABEL.fullmatch(variant):
        raise InvalidStack(
            f"{variant!r} cannot name a variant.",
            remedy="Use 1-63 of letters, digits, '.', '_' and '-', "
            "starting with a letter or digit.",
            field=field,
        )


@dataclass(frozen=True, slots=True)
class CallContext:
    """What a call belongs to.

    Attributes:
        stack: Id of the stack that serves the call.
        as_of_micros: The stack's clock, microseconds since 1970-01-01 UTC.
        known_by_micros: Read facts as known by this moment; None means as known at the
            as-of of each row.
        snapshot: Append position up to which facts are read; None means not pinned.
        variant: Label for metrics.
        traceparent: W3C trace context, passed on as it came; empty if it came malformed.

    Raises:
        InvalidInput: A value cannot travel as a header.
    """

    stack: str
    as_of_micros: int
    known_by_micros: int | None = None
    snapshot: int | None = None
    variant: str = ""
    traceparent: str = ""

    def __post_init__(self) -> None:
        check_stack_id(self.stack, field=STACK_HEADER)
        check_variant(self.variant, field=VARIANT_HEADER)
        if self.snapshot is not None and not 0 <= self.snapshot <= _LARGEST_SNAPSHOT:
            raise InvalidInput(
                f"{self.snapshot} is not an append position.",
                remedy=f"Give a tx_id of the store, 0 to {_LARGEST_SNAPSHOT}.",
                field=SNAPSHOT_HEADER,
            )


_context: contextvars.ContextVar[CallContext] = contextvars.ContextVar("pagesim_call")


def current_context() -> CallContext:
    """Return the context of the call being served or made.

    Raises:
        MissingContext: There is none: the code runs outside a call, or in a thread that
            was not given the context (see ContextExecutor).
    """
    try:
        return _context.get()
    except LookupError:
        raise MissingContext(
            "There is no call context here, so no as-of, and no x-pagesim-stack header to send "
            "on.",
            remedy="Call within use_context(...), and hand work to threads with "
            "ContextExecutor or run_in_context.",
            field=STACK_HEADER,
        ) from None


@contextmanager
def use_context(context: CallContext) -> Iterator[CallContext]:
    """Make the context current for the calls made in the `with` block."""
    token = _context.set(context)
    try:
        yield context
    finally:
        _context.reset(token)


def set_context(context: CallContext) -> None:
    """Make the context current in the running `contextvars.Context`, for good."""
    _context.set(context)


def run_in_context(function: Callable[P, T]) -> Callable[P, T]:
    """Return the function bound to the present context, for another thread to call."""
    variables = contextvars.copy_context()

    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        # A Context can be entered once at a time; a copy lets threads share the function.
        return variables.copy().run(function, *args, **kwargs)

    return run


class ContextExecutor(ThreadPoolExecutor):
    """Run work in threads under the context of whoever submitted it."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Submit the work with a copy of the present context."""
        return super().submit(run_in_context(fn), *args, **kwargs)


def context_headers(context: CallContext) -> dict[str, str]:
    """Return every header of the context, as the mesh stamps them."""
    headers = {
        STACK_HEADER: context.stack,
        AS_OF_HEADER: format_moment(context.as_of_micros),
    }
    if context.known_by_micros is not None:
        headers[KNOWN_BY_HEADER] = format_moment(context.known_by_micros)
    if context.snapshot is not None:
        headers[SNAPSHOT_HEADER] = str(context.snapshot)
    if context.variant:
        headers[VARIANT_HEADER] = context.variant
    if context.traceparent:
        headers[TRACEPARENT_HEADER] = context.traceparent
    return headers


def forwarded_headers(context: CallContext) -> dict[str, str]:
    """Return the headers that a service sends on; the mesh stamps the rest.

    The as-of goes along so that the mesh can refuse a caller whose clock is not the stack's.
    """
    headers = context_headers(context)
    return {
        name: headers[name]
        for name in (STACK_HEADER, AS_OF_HEADER, TRACEPARENT_HEADER)
        if name in headers
    }


def read_context(metadata: Iterable[tuple[str, str | bytes]]) -> CallContext:
    """Return the context that a call's headers carry.

    Raises:
        MissingContext: Stack or as-of is missing; the message names the header.
        InvalidInput: A header is there twice, or is not a value of its kind.
    """
    headers = _single_values(metadata)
    for name in (STACK_HEADER, AS_OF_HEADER):
        if not headers.get(name):
            raise MissingContext(
                f"The call has no {name} header.",
                remedy="Call through the mesh with x-pagesim-stack, and forward that header "
                "and traceparent on every call made meanwhile.",
                field=name,
            )
    known_by, snapshot = headers.get(KNOWN_BY_HEADER), headers.get(SNAPSHOT_HEADER)
    return CallContext(
        stack=headers[STACK_HEADER],
        as_of_micros=parse_moment(headers[AS_OF_HEADER], field=AS_OF_HEADER),
        known_by_micros=None
        if known_by is None
        else parse_moment(known_by, field=KNOWN_BY_HEADER),
        snapshot=None if snapshot is None else _parse_snapshot(snapshot),
        variant=headers.get(VARIANT_HEADER, ""),
        traceparent=_read_traceparent(headers.get(TRACEPARENT_HEADER, "")),
    )


_NAMES = frozenset(
    {
        STACK_HEADER,
        AS_OF_HEADER,
        KNOWN_BY_HEADER,
        SNAPSHOT_HEADER,
        VARIANT_HEADER,
        TRACEPARENT_HEADER,
    }
)


def _single_values(metadata: Iterable[tuple[str, str | bytes]]) -> Mapping[str, str]:
    values: defaultdict[str, list[str]] = defaultdict(list)
    for name, value in metadata:
        if name in _NAMES:
            values[name].append(
                value if isinstance(value, str) else value.decode(errors="replace")
            )
    for name, found in values.items():
        if len(found) > 1:
            raise InvalidInput(
                f"The call has the {name} header {len(found)} times.",
                remedy="Send it once.",
                field=name,
            )
    return {name: found[0] for name, found in values.items()}


def _read_traceparent(text: str) -> str:
    # W3C asks for a new trace then; and what no header may hold would fail all calls made.
    return text if _TRACEPARENT.fullmatch(text) else ""


def _parse_snapshot(text: str) -> int:
    if not _SNAPSHOT.fullmatch(text):
        raise InvalidInput(
            f"{text!r} is not an append position.",
            remedy="Send a tx_id in decimal, e.g. 1042.",
            field=SNAPSHOT_HEADER,
        )
    return int(text)
