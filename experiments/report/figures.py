"""Formats figures for people."""

from __future__ import annotations

import math

from experiments.metrics.definitions.definition import Unit

MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"
_THIN_SPACE = "\N{NARROW NO-BREAK SPACE}"
_PER_CENT = 100
_MOST_DECIMALS = 6
_LARGE = 100
_SMALLEST_P_VALUE = 0.001


def format_value(value: float | None, unit: Unit) -> str:
    """Return a mean with its unit, e.g. "41.2 %", "14.3", "0.438"."""
    if value is None or math.isnan(value):
        return NOTHING
    if unit is Unit.SHARE:
        return f"{_decimal(value * _PER_CENT, 1)}{_THIN_SPACE}%"
    return _decimal(value, _decimals(unit, value))


def format_spread(low: float | None, high: float | None, unit: Unit) -> str:
    """Return the interval of a mean, e.g. "75.3 to 84.2 %"; "" where there is no width.

    Shares and scores lie between 0 and 1, and so does what is shown of their intervals.
    """
    if low is None or high is None or low == high:
        return ""
    if unit in {Unit.SHARE, Unit.SCORE}:
        low, high = max(low, 0.0), min(high, 1.0)
    return f"{format_value(low, unit).removesuffix(_THIN_SPACE + '%')} to " + format_value(
        high, unit
    )


def format_difference(
    value: float | None,
    unit: Unit,
    half_width: float | None = None,
    *,
    is_end: bool = False,
) -> str:
    """Return a difference with its sign, e.g. "+0.8 pp" (percentage points).

    Args:
        value: The difference.
        unit: Of both means.
        half_width: Half the width of its interval, which says how many decimals mean
            something; without one there are as many as it takes to see the difference.
        is_end: Whether it ends an interval: then its sign tells on which side.
    """
    if value is None or math.isnan(value):
        return NOTHING
    scale = _PER_CENT if unit is Unit.SHARE else 1
    least = 1 if unit is Unit.SHARE else _decimals(unit, value)
    telling = value if half_width is None else half_width
    decimals = _decimals_to_see(telling * scale, least)
    size = _decimal(abs(value) * scale, decimals)
    is_seen = round(abs(value) * scale, decimals) > 0 or (is_end and value != 0)
    sign = ("+" if value > 0 else MINUS) if is_seen else ""
    return f"{sign}{size}" + (f"{_THIN_SPACE}pp" if unit is Unit.SHARE else "")


def format_half_width(half_width: float, unit: Unit) -> str:
    """Return half the width of an interval, e.g. "±0.7 pp"."""
    text = format_difference(half_width, unit, half_width).removeprefix("+")
    return f"\N{PLUS-MINUS SIGN}{text}"


def format_interval(low: float | None, high: float | None, unit: Unit) -> str:
    """Return the ends of an interval of differences, e.g. "+0.1 to +1.4 pp"."""
    if low is None or high is None:
        return NOTHING
    half_width = (high - low) / 2
    first = format_difference(low, unit, half_width, is_end=True)
    last = format_difference(high, unit, half_width, is_end=True)
    return f"{first.removesuffix(_THIN_SPACE + 'pp')} to {last}"


def format_p_value(p_value: float) -> str:
    """Return a p value, e.g. "p = 0.04" or "p < 0.001"."""
    if p_value < _SMALLEST_P_VALUE:
        return f"p < {_SMALLEST_P_VALUE:g}"
    return f"p = {p_value:.2g}"


def format_count(count: int) -> str:
    """Return a count with its thousands apart, e.g. "1,234"."""
    return f"{count:,}"


def count_of(count: int, noun: str) -> str:
    """Return a count with its noun, e.g. "1 page", "1,234 pages"."""
    return f"{format_count(count)} {noun}{'' if count == 1 else 's'}"


def _decimals_to_see(value: float, least: int) -> int:
    decimals = least
    while value and decimals < _MOST_DECIMALS and abs(value) * 10**decimals < 1:
        decimals += 1
    return decimals


def _decimals(unit: Unit, value: float) -> int:
    if unit in (Unit.SCORE, Unit.BITS, Unit.DOUBLINGS):
        return 3
    return 1 if abs(value) >= _LARGE else 2


def _decimal(value: float, decimals: int) -> str:
    text = f"{value:,.{decimals}f}"
    return text.replace("-", MINUS)
