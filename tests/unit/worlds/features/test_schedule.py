"""When feature jobs run, and when what they found is known."""

from __future__ import annotations

import pytest

from worlds.features.schedule import JOB_MICROS, Grid

HOUR = 60 * JOB_MICROS
GRID = Grid(HOUR)


@pytest.mark.parametrize(
    ("moment", "at_or_after", "after"),
    [(0, 0, HOUR), (1, HOUR, HOUR), (HOUR, HOUR, 2 * HOUR), (-1, 0, 0), (-HOUR, -HOUR, 0)],
)
def test_points_are_whole_multiples_of_the_period(
    moment: int, at_or_after: int, after: int
) -> None:
    assert GRID.at_or_after(moment) == at_or_after
    assert GRID.after(moment) == after


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (0, JOB_MICROS),
        (JOB_MICROS - 1, JOB_MICROS),
        (JOB_MICROS, HOUR + JOB_MICROS),
        (HOUR, HOUR + JOB_MICROS),
    ],
)
def test_a_job_is_known_a_minute_after_it_began(moment: int, expected: int) -> None:
    assert GRID.next_delivery(moment) == expected
