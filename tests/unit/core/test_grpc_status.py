"""Statuses of errors: whatever a message echoes, they fit the headers of every client."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import quote

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Exhausted, InvalidInput, NotFound, PagesimError
from core.grpc_status import (
    STATUS_BYTES,
    error_from_call,
    shorten,
    write_peer_status,
    write_status,
    write_text,
)

KINDS = st.sampled_from((InvalidInput, NotFound, Exhausted))
LETTERS = ("x", "%", "\0", "\n", "\x7f", "\u00e9", "\u20ac", "\U0001f3ac", "\ud800", " ")
TEXTS = st.builds(
    lambda letters, length: (letters * length)[:length],
    st.text(st.sampled_from(LETTERS), min_size=1, max_size=8),
    st.integers(0, 100_000),
)


def wire_bytes(status: grpc.Status) -> int:
    details = [value for _, value in status.trailing_metadata or ()]
    return len(quote(status.details, safe="")) + sum(
        4 * (len(each) + 2) // 3 for each in details
    )


class Entry(NamedTuple):
    key: str
    value: str | bytes


class FailedCall(grpc.RpcError):
    """A call that ended with a status."""

    def __init__(self, status: grpc.Status) -> None:
        self._status = status

    def code(self) -> grpc.StatusCode:
        return self._status.code

    def details(self) -> str:
        return self._status.details

    def trailing_metadata(self) -> Any:  # noqa: ANN401 - gRPC's own pairs
        return tuple(Entry(*pair) for pair in self._status.trailing_metadata or ())


@given(KINDS, TEXTS, TEXTS, TEXTS)
def test_the_status_of_any_error_fits_and_says_what_kind_it_is(
    kind: type[PagesimError], problem: str, remedy: str, field: str
) -> None:
    written = write_status(kind(problem, remedy=remedy, field=field))
    assert wire_bytes(written) <= STATUS_BYTES + 2 * len(written.details)  # quote escapes more
    told = error_from_call(FailedCall(written))
    assert type(told) is kind
    assert str(told) == written.details


@pytest.mark.parametrize("length", [0, 1, 80, 500])
def test_a_message_of_a_usual_length_is_told_whole(length: int) -> None:
    error = InvalidInput("p" * length, remedy="r" * length, field="f")
    assert write_status(error).details == str(error)


@given(TEXTS)
def test_what_a_peer_says_is_handed_on_shortened(text: str) -> None:
    told = write_status(NotFound(text, remedy="Name another.", field="name"))
    assert write_peer_status(FailedCall(told)).details == told.details
    long = write_text(grpc.StatusCode.ABORTED, shorten(text))
    assert write_peer_status(FailedCall(long)).code is grpc.StatusCode.ABORTED


def test_what_is_left_out_of_a_text_is_counted() -> None:
    assert shorten("a" * 50 + "b" * 50, 10) == "aaaaa... (90 characters left out) ...bbbbb"
