"""Whole columns are read as their cells are, one by one."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.moments import parse_moment, to_micros
from experiments.ingest.mapping.sources import MomentEntry
from experiments.ingest.records.cells import (
    floats,
    to_float32,
    to_identity,
    to_json,
    whole_numbers,
)
from experiments.ingest.records.columns import plain_column
from experiments.ingest.records.moments import Moments
from timetravel.errors import InvalidFact
from timetravel.ingest.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.floats().map(repr),
    st.floats(width=32).map(repr),
    st.from_regex(r"[-+ ]?[0-9]{0,3}[.]?[0-9]{0,3}([eE][-+]?[0-9]{1,3})?", fullmatch=True),
    st.sampled_from(
        ["", "nan", "NaN", "inf", "-inf", "0x10", "1_0", "1e39", "007", "Infinity"]
    ),
)
MOMENTS = st.one_of(
    st.datetimes().map(str),
    st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"),
    st.datetimes(timezones=st.just(UTC)).map(str),
    st.dates().map(str),
    st.integers(-(10**18), 10**18).map(str),
    st.from_regex(
        r"20[0-9]{2}-[01][0-9]-[0-3][0-9]([T ][0-2][0-9]"
        r"(:[0-6][0-9](:[0-6][0-9](\.[0-9]{1,9})?)?)?(Z|[+-][01][0-9]:?[03]0)?)?",
        fullmatch=True,
    ),
)


def same_or_refused(
    whole: NDArray[Any] | None, cells: Sequence[object], read: Callable[[Any], float]
) -> None:
    """Check a column read at once, if it was, against its cells."""
    if whole is None:
        return
    found = []
    for cell in cells:
        try:
            found.append(read(cell))
        except InvalidFact as error:
            pytest.fail(f"{cell!r} was taken within a column: {error}")
    expected = np.array(found, whole.dtype)
    assert np.array_equal(whole, expected, equal_nan=whole.dtype == np.float32)


@given(st.lists(NUMBERS, min_size=1, max_size=3))
def test_ids(texts: list[str]) -> None:
    column = plain_column(pa.array(texts), [""])
    same_or_refused(whole_numbers(column), texts, to_identity)


@given(st.lists(NUMBERS, min_size=1, max_size=3))
def test_values_of_vectors(texts: list[str]) -> None:
    column = plain_column(pa.array(texts).cast(pa.binary()), [""])
    same_or_refused(floats(column), [text or None for text in texts], to_float32)


@given(st.lists(st.none() | st.floats() | st.integers(-(2**80), 2**80), min_size=1, max_size=3))
def test_values_of_vectors_from_json(cells: list[float | None]) -> None:
    same_or_refused(floats(plain_column(list(cells), [])), cells, to_float32)


@given(
    texts=st.lists(MOMENTS, min_size=1, max_size=2),
    zone=st.sampled_from([None, "UTC", "Europe/Berlin", "Pacific/Apia"]),
    unit=st.sampled_from(
        [None, None, "seconds", "milliseconds", "microseconds", "nanoseconds"]
    ),
)
def test_moments(texts: list[str], zone: str | None, unit: str | None) -> None:
    moments = Moments(MomentEntry.model_validate({"column": "at", "unit": unit}), zone)
    whole = moments.whole(pa.array(texts))
    if whole is not None and (whole < parse_moment("0001-01-02")).any():
        return  # refused by what holds of all moments
    same_or_refused(whole, texts, moments.read)


@given(
    kind=st.sampled_from(["s", "ms", "us", "ns"]),
    zone=st.sampled_from([None, "UTC", "America/New_York"]),
    seconds=st.lists(st.integers(0, 2 * 10**9), min_size=1, max_size=3),
)
def test_moments_of_parquet(kind: str, zone: str | None, seconds: list[int]) -> None:
    moments = Moments(MomentEntry.model_validate({"column": "at"}), "Europe/Berlin")
    column = pa.array(seconds, pa.timestamp("s")).cast(pa.timestamp(kind))
    if zone is not None:
        column = column.cast(pa.timestamp(kind, tz=zone))
    plain = plain_column(column, [])
    assert not isinstance(plain, list)
    same_or_refused(moments.whole(plain), plain.to_pylist(), moments.read)
    if zone is not None:
        assert [moments.read(cell) for cell in plain.to_pylist()] == [
            second * 1_000_000 for second in seconds
        ]


@pytest.mark.parametrize(
    ("text", "entry", "zone", "expected"),
    [
        ("2024-03-04T12:00:00+13:00", {}, None, "2024-03-03T23:00:00Z"),
        ("2024-03-04 12:00", {}, "Pacific/Auckland", "2024-03-03T23:00:00Z"),
        ("2024-03-04", {}, "UTC", "2024-03-04T00:00:00Z"),
        ("2024-03-04", {"time_zone": "Asia/Tokyo"}, "UTC", "2024-03-03T15:00:00Z"),
        ("04.03.24 1230", {"format": "%d.%m.%y %H%M"}, "UTC", "2024-03-04T12:30:00Z"),
        ("1709553600", {"unit": "seconds"}, None, "2024-03-04T12:00:00Z"),
        ("1709553600.25", {"unit": "seconds"}, None, "2024-03-04T12:00:00.250000Z"),
        (1709553600.25, {"unit": "seconds"}, None, "2024-03-04T12:00:00.250000Z"),
        (1709553600000000000, {"unit": "nanoseconds"}, None, "2024-03-04T12:00:00Z"),
        (datetime(2024, 3, 4, 12, tzinfo=UTC), {}, None, "2024-03-04T12:00:00Z"),
    ],
)
def test_a_moment_is_read_as_the_mapping_says(
    text: object, entry: dict[str, str], zone: str | None, expected: str
) -> None:
    moments = Moments(MomentEntry.model_validate({"column": "at", **entry}), zone)
    assert moments.read(text) == parse_moment(expected)


@pytest.mark.parametrize(
    ("text", "entry", "zone", "rule"),
    [
        ("2024-03-04T12:00:00", {}, None, "no time zone"),
        ("2024-03-04", {}, None, "no time zone"),
        ("2024-10-27T02:30:00", {}, "Europe/Berlin", "occurs twice"),
        ("2024-03-31T02:30:00", {}, "Europe/Berlin", "not at all"),
        ("2024-02-30T00:00:00Z", {}, None, "not a moment"),
        ("yesterday", {}, None, "not a moment"),
        ("2024-03-04T12:00:00.1234567Z", {}, None, "part of a microsecond"),
        ("x" * 10_000, {}, None, "not a moment"),
        ("2024-03-04", {"format": "%d.%m.%Y"}, "UTC", "not written as"),
        ("1709553600", {}, "UTC", "not a moment"),
        (1709553600, {}, "UTC", "a number"),
        (True, {"unit": "seconds"}, "UTC", "not a moment"),
        (["2024"], {}, "UTC", "not a moment"),
        ("1709553600.0000001", {"unit": "seconds"}, None, "part of a microsecond"),
        (1709553600000000001, {"unit": "nanoseconds"}, None, "part of a microsecond"),
        ("1e400", {"unit": "seconds"}, None, "outside the years"),
        (10**400, {"unit": "seconds"}, None, "outside the years"),
        ("9" * 60, {"unit": "seconds"}, None, "not a number"),
        (math.nan, {"unit": "seconds"}, None, "not a moment"),
        (math.inf, {"unit": "seconds"}, None, "not a moment"),
        ("noon", {"unit": "seconds"}, None, "not a number"),
    ],
)
def test_what_is_no_moment_is_refused(
    text: object, entry: dict[str, str], zone: str | None, rule: str
) -> None:
    moments = Moments(MomentEntry.model_validate({"column": "at", **entry}), zone)
    with pytest.raises(InvalidFact, match=rule):
        moments.read(text)


def test_a_local_time_is_that_of_its_zone_all_the_year() -> None:
    moments = Moments(MomentEntry.model_validate({"column": "at"}), "Europe/Berlin")
    begin = datetime(2024, 1, 1, 0, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    days = [begin + timedelta(days=day) for day in range(366)]
    texts = [day.replace(tzinfo=None).isoformat() for day in days]
    assert [moments.read(text) for text in texts] == [to_micros(day) for day in days]


@pytest.mark.parametrize(
    ("cell", "kind", "expected"),
    [
        ("7", None, "7"),
        ("7", "integer", 7),
        ("7.5", "number", 7.5),
        ("TRUE", "boolean", True),
        ('{"a": [1]}', "json", {"a": [1]}),
        (7, "text", "7"),
        ([1, None], None, [1, None]),
        ([1, None], "json", [1, None]),
        (7.0, "integer", 7),
        ("7.0", "integer", 7),
        (Decimal(7), None, 7),
        (Decimal("7.5"), None, 7.5),
        (Decimal(7), "text", "7"),
        ([Decimal(7), [Decimal("7.5"), None]], None, [7, [7.5, None]]),
        ({"a": Decimal(7)}, "json", {"a": 7}),
        (2.0**53 - 1, "integer", 2**53 - 1),
    ],
)
def test_a_value_is_read_as_its_type(cell: object, kind: str | None, expected: object) -> None:
    assert to_json(cell, kind, Limits()) == expected


@pytest.mark.parametrize(
    ("cell", "kind", "rule"),
    [
        ("seven", "integer", "not a whole number"),
        ("7.5", "integer", "not a whole number"),
        (7.5, "integer", "not a whole number"),
        (2.0**54, "integer", "exactly below"),
        (float(2**53 + 1), "integer", "exactly below"),
        ("nan", "number", "not a finite number"),
        (math.inf, None, "not JSON"),
        ("yes", "boolean", "not true or false"),
        ("{", "json", "not JSON"),
        (datetime(2024, 1, 1, tzinfo=UTC), None, "JSON has no dates"),
        (Decimal("0." + "1" * 20), None, "more digits"),
        ([Decimal("0." + "1" * 20)], None, "more digits"),
        ("\ud800", "text", "not JSON"),
    ],
)
def test_what_is_no_value_is_refused(cell: object, kind: str | None, rule: str) -> None:
    with pytest.raises(InvalidFact, match=rule):
        to_json(cell, kind, Limits())
