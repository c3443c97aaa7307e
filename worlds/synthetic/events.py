"""Events of a synthetic world, before and after dirt: plain columns, one record per fact."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from timetravel.facts.model import Op

if TYPE_CHECKING:
    from timetravel.facts.model import EventKind


@dataclass(frozen=True, slots=True)
class Event:
    """Something a member did, and when the service knew. Moments are microseconds."""

    event_id: str
    profile_id: int
    event_at: int
    kind: EventKind
    video_id: int
    value: float
    known_at: int
    op: Op = Op.ASSERT

    def known_later(self, known_at: int) -> Event:
        """Return the same event, known at another moment."""
        return replace(self, known_at=known_at)


class Visit(NamedTuple):
    """A member opens the homepage."""

    shown_at: int
    profile_id: int
    device: str
