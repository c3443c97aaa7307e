"""Writes figures the way people read them."""

from __future__ import annotations

import math

from experiments.metrics.definition import Unit

MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"
_THIN_SPACE = "\N{NARROW NO-BREAK SPACE}"
_PER_CENT = 100
_MOST_DECIMALS = 6
_LARGE = 100


def format_value(value: float | None, unit: Unit) -> str:
    """Return a mean with its unit, e.g. "41.2 %", "14.3", "0.438"."""
    if value is None or math.isnan(value):
        return NOTHING
    if unit is Unit.SHARE:
        return f"{_decimal(value * _PER_CENT, 1)}{_THIN_SPACE}%"
    return _decimal(value, _decimals(unit, value))


def format_difference(value: float | None, unit: Unit) -> str:
    """Return a difference with its sign, e.g. "+0.8 pp" (percentage points)."""
    if value is None or math.isnan(value):
        return NOTHING
    if unit is Unit.SHARE:
        return f"{_sign(value)}{_magnitude(value * _PER_CENT, 1)}{_THIN_SPACE}pp"
    return f"{_sign(value)}{_magnitude(value, _decimals(unit, value))}"


def format_interval(low: float | None, high: float | None, unit: Unit) -> str:
    """Return the ends of an interval of differences, e.g. "+0.1 to +1.4 pp"."""
    if low is None or high is None:
        return NOTHING
    first, last = format_difference(low, unit), format_difference(high, unit)
    return f"{first.removesuffix(_THIN_SPACE + 'pp')} to {last}"


def format_count(count: int) -> str:
    """Return a count with its thousands apart, e.g. "1,234"."""
    return f"{count:,}"


def count_of(count: int, noun: str) -> str:
    """Return a count with its noun, e.g. "1 page", "1,234 pages"."""
    return f"{format_count(count)} {noun}{'' if count == 1 else 's'}"


def _magnitude(value: float, decimals: int) -> str:
    """Return the size of a difference, with as many decimals as it takes to see it."""
    while value and decimals < _MOST_DECIMALS and not round(abs(value), decimals):
        decimals += 1
    return _decimal(abs(value), decimals)


def _decimals(unit: Unit, value: float) -> int:
    if unit in (Unit.SCORE, Unit.BITS, Unit.DOUBLINGS):
        return 3
    return 1 if abs(value) >= _LARGE else 2


def _decimal(value: float, decimals: int) -> str:
    text = f"{value:,.{decimals}f}"
    return text.replace("-", MINUS)


def _sign(value: float) -> str:
    if value == 0:
        return "\N{PLUS-MINUS SIGN}"
    return "+" if value > 0 else MINUS
