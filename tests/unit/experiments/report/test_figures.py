"""Figures as people read them: units, signs, and no more decimals than mean something."""

from __future__ import annotations

import math

import pytest

from experiments.metrics.definitions.definition import Unit
from experiments.report.figures import (
    format_difference,
    format_half_width,
    format_interval,
    format_p_value,
    format_spread,
    format_value,
)


def plain(text: str) -> str:
    """Return text with an ordinary minus and ordinary spaces."""
    return text.replace("\N{MINUS SIGN}", "-").replace("\N{NARROW NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.4123, Unit.SHARE, "41.2 %"),
        (12.3456, Unit.ROWS, "12.35"),
        (1234.56, Unit.TITLES, "1,234.6"),
        (0.4384, Unit.SCORE, "0.438"),
        (None, Unit.SHARE, "\N{EN DASH}"),
        (math.nan, Unit.SCORE, "\N{EN DASH}"),
    ],
)
def test_a_mean_has_its_unit(value: float | None, unit: Unit, text: str) -> None:
    assert plain(format_value(value, unit)) == text


@pytest.mark.parametrize(
    ("value", "unit", "half_width", "text"),
    [
        (0.0081, Unit.SHARE, None, "+0.8 pp"),
        (-0.0081, Unit.SHARE, None, "-0.8 pp"),
        (0.0, Unit.SHARE, None, "0.0 pp"),
        (0.00004, Unit.SHARE, None, "+0.004 pp"),
        (0.0000123, Unit.SCORE, None, "+0.00001"),
        # An interval says how many decimals mean something: more are noise, fewer hide it.
        (0.0000123, Unit.SCORE, 0.025, "0.000"),
        (0.0034, Unit.ROWS, 0.0067, "+0.003"),
        (-0.5, Unit.TITLES, 0.96, "-0.50"),
    ],
)
def test_a_difference_has_a_sign_and_the_decimals_that_mean_something(
    value: float, unit: Unit, half_width: float | None, text: str
) -> None:
    assert plain(format_difference(value, unit, half_width)) == text


def test_both_ends_of_an_interval_have_as_many_decimals() -> None:
    assert plain(format_interval(-0.0033, 0.01, Unit.ROWS)) == "-0.003 to +0.010"
    assert plain(format_interval(0.001, 0.014, Unit.SHARE)) == "+0.1 to +1.4 pp"


def test_an_end_that_rounds_to_zero_tells_on_which_side_it_lies() -> None:
    assert plain(format_interval(-0.002, 0.083, Unit.ROWS)) == "-0.00 to +0.08"


def test_half_a_width_has_no_side() -> None:
    assert plain(format_half_width(0.007, Unit.SHARE)) == "\N{PLUS-MINUS SIGN}0.7 pp"


def test_the_interval_of_a_share_stays_between_nothing_and_all() -> None:
    assert plain(format_spread(-0.05, 1.2, Unit.SHARE)) == "0.0 to 100.0 %"
    assert format_spread(1.0, 1.0, Unit.SHARE) == ""
    assert format_spread(None, None, Unit.SHARE) == ""


def test_a_p_value_is_not_more_exact_than_it_is_known() -> None:
    assert format_p_value(0.0000004) == "p < 0.001"
    assert format_p_value(0.0421) == "p = 0.042"
