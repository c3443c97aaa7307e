"""Moments: exact, aware, and text whose order is the order of time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.moments import format_moment, from_micros, parse_moment, to_micros

MICROS = st.integers(
    min_value=to_micros(datetime(1900, 1, 1, tzinfo=UTC)),
    max_value=to_micros(datetime(9999, 1, 1, tzinfo=UTC)),
)


@given(MICROS)
def test_a_moment_survives_every_form_exactly(micros: int) -> None:
    assert to_micros(from_micros(micros)) == micros
    assert parse_moment(format_moment(micros)) == micros


@given(MICROS, MICROS)
def test_text_order_is_time_order(one: int, other: int) -> None:
    assert (format_moment(one) < format_moment(other)) == (one < other)


def test_the_same_instant_in_another_zone_is_the_same_moment() -> None:
    tokyo = timezone(timedelta(hours=9))
    assert to_micros(datetime(2024, 1, 1, 9, tzinfo=tokyo)) == to_micros(
        datetime(2024, 1, 1, tzinfo=UTC)
    )


def test_a_date_means_its_midnight_in_utc() -> None:
    assert format_moment(parse_moment("2018-05-01")) == "2018-05-01T00:00:00.000000Z"


@pytest.mark.parametrize("text", ["", "yesterday", "2018-13-01", "1525132800"])
def test_text_that_is_no_moment_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"2018-05-01T12:00:00Z") as caught:
        parse_moment(text, field="as_of")
    assert caught.value.field == "as_of"
    assert repr(text) in str(caught.value)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(InvalidInput, match="has no time zone"):
        parse_moment("2018-05-01T12:00:00")
    with pytest.raises(InvalidInput, match="has no time zone"):
        to_micros(datetime(2018, 5, 1))  # noqa: DTZ001 - naive on purpose
