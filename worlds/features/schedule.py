"""When feature jobs run, and when their results are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from worlds.durations import MINUTE_MICROS

JOB_MICROS: Final = MINUTE_MICROS
"""How long a job takes: what it computes at a grid point is known so much later."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Points in time that are whole multiples of a period since 1970, in microseconds."""

    period_micros: int

    def at_or_after(self, moment: int) -> int:
        """Return the first point at or after a moment."""
        return -(-moment // self.period_micros) * self.period_micros

    def after(self, moment: int) -> int:
        """Return the first point after a moment."""
        return self.at_or_after(moment + 1)

    def next_delivery(self, moment: int) -> int:
        """Return the first moment after the given one at which a job's results are known."""
        return self.after(moment - JOB_MICROS) + JOB_MICROS
