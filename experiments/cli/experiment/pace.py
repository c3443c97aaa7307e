"""How fast pages are made, from what was seen of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from experiments.server.doors.status import ExperimentStatus, Progress

WINDOW_SECONDS: Final = 60.0


@dataclass(slots=True)
class Pace:
    """Remember how many pages were tried when, for as long as it matters.

    One thread may note while another one measures.
    """

    _seen: tuple[tuple[float, int], ...] = ()

    def note(self, now: float, tried: int) -> None:
        """Take in how many pages were tried by now, in seconds of any one clock."""
        self._seen = (*self._find_recent(now), (now, tried))

    def measure(self, now: float) -> float:
        """Return pages per second in the last minute, or since the first look."""
        seen = self._find_recent(now)
        if not seen:
            return 0.0
        began, before = seen[0]
        _, tried = seen[-1]
        return max(tried - before, 0) / (now - began) if now > began else 0.0

    def _find_recent(self, now: float) -> tuple[tuple[float, int], ...]:
        """Return what was seen from the newest on that is older than the window."""
        seen = self._seen
        older = sum(moment <= now - WINDOW_SECONDS for moment, _ in seen)
        return seen[max(older - 1, 0) :]


@dataclass(slots=True)
class Paces:
    """Hold the pace of an experiment, and those of its partitions.

    Attributes:
        total: Of all partitions together.
        partitions: By name.
    """

    total: Pace = field(default_factory=Pace)
    partitions: dict[str, Pace] = field(default_factory=dict)

    def note(self, now: float, status: ExperimentStatus) -> None:
        """Take in how far an experiment is."""
        self.total.note(now, status.total.tried)
        for name, progress in status.partitions.items():
            self.partitions.setdefault(name, Pace()).note(now, progress.tried)


def estimate_seconds_left(progress: Progress, pages_per_second: float) -> float | None:
    """Return how long the pages that are left take; None if nobody can say."""
    left = progress.pages - progress.tried
    if not left:
        return 0.0
    return left / pages_per_second if pages_per_second else None
