"""Lengths of time in microseconds."""

from __future__ import annotations

from typing import Final

SECOND_MICROS: Final = 1_000_000
MINUTE_MICROS: Final = 60 * SECOND_MICROS
HOUR_MICROS: Final = 60 * MINUTE_MICROS
DAY_MICROS: Final = 24 * HOUR_MICROS


def floor_to_day(moment: int) -> int:
    """Return the midnight (UTC) at or before a moment in microseconds."""
    return moment - moment % DAY_MICROS
