"""Formats of moments determine the moment, and a text that says otherwise is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.moments import format_moment
from experiments.ingest.mapping.sources import MomentEntry
from experiments.ingest.records.moments import Moments
from timetravel.errors import InvalidFact

FORMATS: Final = [
    "%Y-%m-%d %H:%M:%S.%f",
    "%d.%m.%Y %H:%M:%S.%f",
    "%Y%m%d%H%M%S%f",
    "%d %B %Y %I:%M:%S.%f %p",
    "%a, %d %b %Y %H:%M:%S.%f",
    "%Y/%j %H %M %S %f",
    "%G-W%V-%u %H%M%S.%f",
    "%A %U %Y, %H:%M:%S.%f",
    "%w %W %Y, %H:%M:%S.%f",
    "%%%m/%d/%Y%% %p%I%M%S,%f",
]


def read(text: str, form: str, zone: str | None = None) -> str:
    """Return the moment of a text, as text."""
    entry = MomentEntry.model_validate({"column": "at", "format": form})
    return format_moment(Moments(entry, zone).read(text))


@given(
    st.datetimes(min_value=datetime(1000, 1, 1), max_value=datetime(9998, 12, 31)),  # noqa: DTZ001 - placed in UTC
    st.sampled_from(FORMATS),
    st.sampled_from(["", "Z", " UTC", " GMT", "%z", " %Z"]),
)
def test_what_strftime_writes_is_read(moment: datetime, form: str, zone: str) -> None:
    assume(moment.strftime(form) == moment.strftime(form).strip())
    written = moment.replace(tzinfo=UTC).strftime(form + zone)
    expected = moment.isoformat(timespec="microseconds") + "Z"
    # A zone that is named holds, whatever the mapping says.
    assert read(written, form + zone, "Asia/Tokyo" if zone else "UTC") == expected


@given(
    st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2029, 12, 31)),  # noqa: DTZ001 - placed in UTC
    st.sampled_from(FORMATS),
    st.integers(0, 40),
)
def test_a_text_with_a_digit_too_few_is_never_another_moment(
    moment: datetime, form: str, place: int
) -> None:
    text = moment.strftime(form)
    assume(place < len(text) and text[place].isdigit())
    shorter = text[:place] + text[place + 1 :]
    try:
        found = read(shorter, form, "UTC")
    except InvalidFact:
        return
    # A leading zero, or an end of the fraction, may be left out; and what is read says so.
    again = datetime.fromisoformat(found).strftime(form)
    numbers = [part.lstrip("0") for part in shorter.replace(":", " ").split()]
    assert "".join(filter(str.isalnum, again)).replace("0", "") == "".join(
        filter(str.isalnum, "".join(numbers))
    ).replace("0", "")


@pytest.mark.parametrize(
    ("text", "form", "zone", "expected"),
    [
        ("2024-03-04 12:00:00 UTC", "%Y-%m-%d %H:%M:%S %Z", "Europe/Berlin", "12:00"),
        ("2024-03-04 12:00:00 GMT", "%Y-%m-%d %H:%M:%S %Z", None, "12:00"),
        ("2024-03-04 12:00:00 utc", "%Y-%m-%d %H:%M:%S %Z", None, "12:00"),
        ("2024-03-04T12:00:00Z", "%Y-%m-%dT%H:%M:%SZ", "Europe/Berlin", "12:00"),
        ("2024-03-04T12:00:00z", "%Y-%m-%dT%H:%M:%Sz", "Asia/Tokyo", "12:00"),
        ("2024-03-04 12:00 UTC", "%Y-%m-%d %H:%M UTC", "Asia/Tokyo", "12:00"),
        ("2024-03-04 12:00 (GMT)", "%Y-%m-%d %H:%M (GMT)", None, "12:00"),
        ("2024-03-04 12:00 +0100", "%Y-%m-%d %H:%M %z", "Asia/Tokyo", "11:00"),
        ("2024-03-04 12:00 +01", "%Y-%m-%d %H:%M %z", None, "11:00"),
        ("2024-03-04 12:00 GMT+0100", "%Y-%m-%d %H:%M GMT%z", None, "11:00"),
        ("2024-03-04 12:00 GMT+0100", "%Y-%m-%d %H:%M %Z%z", None, "11:00"),
        ("2024-03-04 12:00 CET", "%Y-%m-%d %H:%M %Z", "Europe/Berlin", "11:00"),
        ("2024-03-04 12:00 CET", "%Y-%m-%d %H:%M CET", "Europe/Berlin", "11:00"),
        ("2024-03-04 12:00 UT", "%Y-%m-%d %H:%M UT", "Asia/Tokyo", "12:00"),
        ("2024-03-04 12:00 ut", "%Y-%m-%d %H:%M %Z", None, "12:00"),
        ("2024-03-04 12:00 Zulu", "%Y-%m-%d %H:%M Zulu", "Asia/Tokyo", "12:00"),
        ("2024-03-04 12:00 UCT", "%Y-%m-%d %H:%M UCT", "Asia/Tokyo", "12:00"),
        ("2024-03-04 12:00 Universal", "%Y-%m-%d %H:%M Universal", None, "12:00"),
        ("2024-03-04 21:00 Japan", "%Y-%m-%d %H:%M Japan", "Europe/Berlin", "12:00"),
        ("2024-03-04 12:00 cet", "%Y-%m-%d %H:%M cet", "Europe/Berlin", "11:00"),
        ("2024-03-04 12:00 Etc/UTC", "%Y-%m-%d %H:%M Etc/UTC", "Asia/Tokyo", "12:00"),
        ("04/03/2024 12:00 Europe/Paris", "%d/%m/%Y %H:%M Europe/Paris", "UTC", "11:00"),
        (
            "2024-03-04 07:00 (America/New_York)",
            "%Y-%m-%d %H:%M (America/New_York)",
            None,
            "12:00",
        ),
        (
            "2024-03-04 12:00+01:00[Europe/Paris]",
            "%Y-%m-%d %H:%M%z[Europe/Paris]",
            None,
            "11:00",
        ),
        ("Mar 4, 2024 7:00 AM ET", "%b %d, %Y %I:%M %p ET", "America/New_York", "12:00"),
        ("Mar 4, 2024 4:00 AM PT", "%b %d, %Y %I:%M %p %Z", "America/Los_Angeles", "12:00"),
        ("04.03.24 12.00", "%d.%m.%y %H.%M", "UTC", "12:00"),
        ("4.3.2024 12:0", "%d.%m.%Y %H:%M", "UTC", "12:00"),
        ("12:00 AM Mon 4 Mar 2024", "%I:%M %p %a %d %b %Y", "UTC", "00:00"),
        ("12:00 pm MONDAY 4 march 2024", "%I:%M %p %A %d %B %Y", "UTC", "12:00"),
        ("2024-03-04 12:00:00.000000000", "%Y-%m-%d %H:%M:%S.%f", "UTC", "12:00"),
    ],
)
def test_a_zone_that_the_text_or_the_format_names_is_honoured(
    text: str, form: str, zone: str | None, expected: str
) -> None:
    assert read(text, form, zone) == f"2024-03-04T{expected}:00.000000Z"


@pytest.mark.parametrize(
    ("text", "form", "zone", "rule"),
    [
        ("2024-03-04 12:00 CET", "%Y-%m-%d %H:%M %Z", None, "which may be several"),
        ("2024-03-04 12:00 CET", "%Y-%m-%d %H:%M %Z", "UTC", "not the time of UTC"),
        ("2024-03-04 12:00 CET", "%Y-%m-%d %H:%M CET", "UTC", "not the time of UTC"),
        ("2024-03-04 12:00 IST", "%Y-%m-%d %H:%M %Z", "Europe/Berlin", "not the time of"),
        ("2024-03-04 12:00 CEST", "%Y-%m-%d %H:%M %Z", "Europe/Berlin", "not the time of"),
        ("2024-03-31 02:30 CET", "%Y-%m-%d %H:%M %Z", "Europe/Berlin", "not the time of"),
        ("2024-03-04 12:00 pst", "%Y-%m-%d %H:%M pst", "Europe/Berlin", "not the time of"),
        ("2024-03-04 12:00 ET", "%Y-%m-%d %H:%M ET", "UTC", "not the time of UTC"),
        ("2024-03-04 12:00 CT", "%Y-%m-%d %H:%M %Z", "Europe/Berlin", "not the time of"),
        ("2024-03-04 12:00 ET", "%Y-%m-%d %H:%M ET", None, "which may be several"),
        ("2024-11-03 01:30 ET", "%Y-%m-%d %H:%M ET", "America/New_York", "not the time of"),
        (
            "2024-03-04 12:00+05:00[Europe/Paris]",
            "%Y-%m-%d %H:%M%z[Europe/Paris]",
            None,
            "not the time of Europe/Paris",
        ),
        (
            "2024-03-04 12:00 [Europe/Paris] UTC",
            "%Y-%m-%d %H:%M [Europe/Paris] %Z",
            None,
            "not the time of Europe/Paris",
        ),
        ("2024-03-04 12:00 UTC +01", "%Y-%m-%d %H:%M %Z %z", None, "another offset"),
        ("2024-03-04 12:00 +25:00", "%Y-%m-%d %H:%M %z", None, "not a moment"),
        ("2024030412000", "%Y%m%d%H%M%S", "UTC", "not written as"),
        ("2024111", "%Y%m%d", "UTC", "not written as"),
        ("20240304 9", "%Y%m%d%H", "UTC", "not written as"),
        ("Tue 2024-03-04", "%a %Y-%m-%d", "UTC", "not a moment"),
        ("2024-03-04 12:00:60", "%Y-%m-%d %H:%M:%S", "UTC", "not a moment"),
        ("2024-03-04 13:00 PM", "%Y-%m-%d %I:%M %p", "UTC", "not a moment"),
        ("2024-03-04 0:00 AM", "%Y-%m-%d %I:%M %p", "UTC", "not a moment"),
        ("2023 53 1", "%Y %U %u", "UTC", "not a moment"),
        ("2023-W53-1", "%G-W%V-%u", "UTC", "not a moment"),
        ("2023 10 7", "%Y %U %w", "UTC", "not a moment"),
        ("2023 366", "%Y %j", "UTC", "not a moment"),
        ("2024-02-30", "%Y-%m-%d", "UTC", "not a moment"),
        ("2024-03-04 12:00:00.1234567", "%Y-%m-%d %H:%M:%S.%f", "UTC", "part of a micro"),
        ("2024-03-04 12:00:00", "%Y-%m-%d %H:%M:%S", None, "no time zone"),
        ("2024-03-04", "%Y-%m-%d %H:%M", "UTC", "not written as"),
        ("٢٠٢٤-03-04", "%Y-%m-%d", "UTC", "not written as"),
    ],
)
def test_a_text_that_contradicts_or_leaves_open_is_refused(
    text: str, form: str, zone: str | None, rule: str
) -> None:
    with pytest.raises(InvalidFact, match=rule):
        read(text, form, zone)


def test_the_hour_that_occurs_twice_is_told_by_the_name_of_its_clock() -> None:
    summer = read("2024-10-27 02:30 CEST", "%Y-%m-%d %H:%M %Z", "Europe/Berlin")
    winter = read("2024-10-27 02:30 CET", "%Y-%m-%d %H:%M %Z", "Europe/Berlin")
    assert (summer, winter) == ("2024-10-27T00:30:00.000000Z", "2024-10-27T01:30:00.000000Z")
    berlin = ZoneInfo("Europe/Berlin")
    assert datetime.fromisoformat(winter).astimezone(berlin).utcoffset() == timedelta(hours=1)


@pytest.mark.parametrize(
    ("form", "rule"),
    [
        ("%H:%M", "year"),
        ("%d.%m.", "year"),
        ("%Y-%m", "a month and a day"),
        ("%Y", "a month and a day"),
        ("%Y-%d", "a month and a day"),
        ("%y%Y-%m-%d", "year, once"),
        ("%Y-%m-%d %I:%M", "%p need each other"),
        ("%Y-%m-%d %H:%M %p", "%p need each other"),
        ("%Y-%m-%d %H %I %p", "hour twice"),
        ("%Y-%m-%d %M:%S", "%M needs"),
        ("%Y-%m-%d %H:%S", "%S needs"),
        ("%Y-%m-%d %H.%f", "%f needs"),
        ("%Y week %U", "needs a day of the week"),
        ("%Y-W%V-%u", "week of ISO 8601"),
        ("%G-W%V", "week of ISO 8601"),
        ("%G-%m-%d", "week of ISO 8601"),
        ("%Y %W %a %u", "needs a day of the week"),
        ("%Y-%m-%d %j", "day twice"),
        ("%Y-%m-%d %b", "a month and a day"),
        ("%a %A %Y-%m-%d", "day of the week twice"),
        ("%Y-%m-%d %Y", "%Y twice"),
        ("%c", "language"),
        ("%s", "not a directive"),
        ("%Y-%m-%d %-H", "not a directive"),
        ("%Y-%m-%d %", "at its end"),
        ("%Y-%m-%d %H:%M UTC+2", "holds an offset"),
        ("%Y-%m-%dT%H:%M:%S+00:00", "holds an offset"),
        ("%Y-%m-%d %H:%M:%S.000+0000", "holds an offset"),
        ("%Y-%m-%d %H:%M:%S -05", "holds an offset"),
        ("%Y-%m-%d %H:%M:%S\u221205:00", "holds an offset"),
        ("%Y-%m-%d %H:%M (GMT+1)", "holds an offset"),
        ("%Y-%m-%d %H:%M Europe/Paris Europe/Berlin", "two zones"),
        ("%Y-%m-%d %H:%MZ %Z", "two zones"),
        ("%Y-%m-%d %H:%M CET %z", "two zones"),
        ("", "year"),
    ],
)
def test_a_format_that_leaves_the_moment_open_is_refused_with_the_mapping(
    form: str, rule: str
) -> None:
    with pytest.raises(ValidationError, match=rule):
        MomentEntry.model_validate({"column": "at", "format": form})
