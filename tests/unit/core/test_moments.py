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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20180501", "2018-05-01T00:00:00.000000Z"),
        ("20180501T120000Z", "2018-05-01T12:00:00.000000Z"),
        ("20180501T1200+0200", "2018-05-01T10:00:00.000000Z"),
        ("20180501 120000.25Z", "2018-05-01T12:00:00.250000Z"),
        ("2018-05-01T12Z", "2018-05-01T12:00:00.000000Z"),
        ("2018-05-01t12:00z", "2018-05-01T12:00:00.000000Z"),
        ("2018-05-01 12:00:00 UTC", "2018-05-01T12:00:00.000000Z"),
        ("2018-05-01 12:00:00 -0330", "2018-05-01T15:30:00.000000Z"),
        ("2018-05-01 12:00:00+00", "2018-05-01T12:00:00.000000Z"),
        ("2018-05-01T12:00:00,123456000Z", "2018-05-01T12:00:00.123456Z"),
        ("2018-W18-2", "2018-05-01T00:00:00.000000Z"),
        ("2018W182T12Z", "2018-05-01T12:00:00.000000Z"),
    ],
)
def test_iso_8601_is_read_in_its_basic_and_its_extended_format(
    text: str, expected: str
) -> None:
    assert format_moment(parse_moment(text)) == expected


@given(
    MICROS.map(from_micros),
    st.sampled_from(
        [
            "%Y-%m-%dT%H:%M:%S.%fZ",
            "%Y%m%dT%H%M%S.%f+0000",
            "%Y-%m-%d %H:%M:%S,%f GMT",
            "%Y%m%d %H%M%S.%fZ",
            "%G-W%V-%uT%H:%M:%S.%f-00:00",
        ]
    ),
)
def test_every_moment_is_read_from_every_form(moment: datetime, form: str) -> None:
    # strftime writes a year before 1000 with fewer digits.
    form = form.replace("%Y", f"{moment.year:04}").replace(
        "%G", f"{moment.isocalendar()[0]:04}"
    )
    assert parse_moment(moment.strftime(form)) == to_micros(moment)


@given(st.from_regex(r"20[0-9]{2}-?[01][0-9]-?[0-3][0-9][T 0-9]?[0-9:]{0,8}Z?", fullmatch=True))
def test_what_is_read_says_the_digits_of_the_text(text: str) -> None:
    """No digit is passed over: a moment written compactly is that text."""
    try:
        moment = from_micros(parse_moment(text))
    except InvalidInput:
        return
    digits = "".join(letter for letter in text if letter.isdigit())
    assert moment.strftime("%Y%m%d%H%M%S").startswith(digits)


NOT_MOMENTS = [
    "",
    "yesterday",
    "2018-13-01",
    "1525132800",
    "20180501120000Z",
    "20180501120000",
    "201805011200",
    "2018-05-0112:00:00Z",
    "2018-05-01_12:00:00Z",
    "2018-05-01T12:0000Z",
    "2018-0501T12:00:00Z",
    "2018-05-01T12:00:00CET",
    "2018-05-01T12:00:00[Europe/Berlin]",
    "2018-05-01T24:00:00Z",
    "2018-05-01T12:60:00Z",
    "2018-05-01T12:00:60Z",
    "2018-05-01T12:00:00+24:00",
    "2018-05-01T12:00:00+01:60",
    "2018-05-01T12:00:00.1234567Z",
    "2018-05-01T12:00.5Z",
    "2018-05",
    "2018-W18",
    "2018-W54-1",
    "2018121",
    "0001-01-01T00:00:00+05:00",
    "9999-12-31T23:59:59-05:00",
    "\uff12\uff10\uff11\uff18-05-01",
]


@pytest.mark.parametrize("text", NOT_MOMENTS)
def test_text_that_is_no_moment_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"is not a moment. (Write|Round|Give)") as caught:
        parse_moment(text, field="as_of")
    assert caught.value.field == "as_of"
    assert repr(text) in str(caught.value)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(InvalidInput, match="has no time zone"):
        parse_moment("2018-05-01T12:00:00")
    with pytest.raises(InvalidInput, match="has no time zone"):
        to_micros(datetime(2018, 5, 1))  # noqa: DTZ001 - naive on purpose
