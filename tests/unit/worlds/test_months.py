"""Calendar months as numbers."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from core.moments import from_micros, to_micros
from worlds.months import month_starts, months_of, months_of_years

MOMENTS = st.datetimes(
    datetime(1900, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone
    datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@given(MOMENTS)
def test_a_month_begins_at_midnight_of_its_first_day(moment: datetime) -> None:
    begin = from_micros(int(month_starts(months_of(to_micros(moment)))))
    assert begin == datetime(moment.year, moment.month, 1, tzinfo=UTC)


@given(st.integers(1800, 2200))
def test_a_year_begins_with_january(year: int) -> None:
    begin = from_micros(int(month_starts(months_of_years(year))))
    assert begin == datetime(year, 1, 1, tzinfo=UTC)
