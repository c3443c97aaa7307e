"""What members of a synthetic service do: visits, plays, ratings and lists.

A member visits about every third day, in the evening more than in the morning. At a visit
none, one or a few videos are played, chosen among those that may be shown by

    liking = taste . genres / sqrt(genres) + appeal + trend + age_liking * age

with Gumbel noise, so that choices follow a logit model. What is liked is watched to its end
more often, rated higher, and thumbed up. What was begun and left may be taken up again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from timetravel.facts.model import EventKind
from worlds.durations import DAY_MICROS, HOUR_MICROS, MINUTE_MICROS, SECOND_MICROS
from worlds.synthetic.events import Event, Visit

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.arrays import Float64Array
    from worlds.synthetic.catalogue import Catalogue
    from worlds.synthetic.licences import Licences
    from worlds.synthetic.members import Members
    from worlds.synthetic.plan import SyntheticPlan
    from worlds.synthetic.tastes import Tastes, Trends

_SHARES_OF_HOURS: Final = (
    *(2, 1, 1, 1, 1, 1, 2, 3, 3, 3, 3, 4),
    *(5, 4, 4, 4, 5, 6, 8, 10, 11, 10, 6, 4),
)
_CLOSEST_VISITS_MICROS: Final = 30 * MINUTE_MICROS
_SHARES_OF_PLAYS: Final = (0.2, 0.5, 0.2, 0.1)
"""Of visits at which nothing, one, two and three videos are played."""
_RESUMING_SHARE: Final = 0.6
_RATING_SHARE: Final = 0.10
_THUMB_SHARE: Final = 0.15
_LISTING_SHARE: Final = 0.15
_FINISHED: Final = 0.9
_USUAL_LIKING: Final = 1.0
"""Of what is chosen; what is liked more is finished more often than not."""
_SHARE_STEPS: Final = 128
_PROMPT_SECONDS: Final = (5, 31)
"""How long after it has ended an event is known."""


@dataclass(frozen=True, slots=True)
class Service:
    """Hold all that a member's choices depend on."""

    plan: SyntheticPlan
    catalogue: Catalogue
    licences: Licences
    members: Members
    tastes: Tastes
    trends: Trends


@dataclass(slots=True)
class History:
    """Collect what happens."""

    visits: list[Visit] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)


def simulate_history(service: Service, advance: Callable[[int], None]) -> History:
    """Return all that happens until the world's end.

    Args:
        service: Whose members act.
        advance: Told how many members have lived since it was last told.
    """
    history = History()
    stream = service.plan.stream("history")
    for place in range(service.plan.profiles):
        _Member(service, place, stream, history).live()
        advance(1)
    history.visits.sort()
    history.events.sort(key=lambda event: (event.known_at, event.event_id))
    return history


class _Member:
    """One member's life."""

    def __init__(
        self, service: Service, place: int, stream: np.random.Generator, history: History
    ) -> None:
        self._service = service
        self._place = place
        self._stream = stream
        self._history = history
        self._profile_id = int(service.members.profile_ids[place])
        self._seen = np.zeros(service.plan.videos, np.bool_)
        self._unfinished: dict[int, float] = {}
        self._listed: set[int] = set()
        self._opined: set[int] = set()
        self._counts = dict.fromkeys(EventKind, 0)
        genres = service.catalogue.has_genre.astype(np.float64)
        self._genres = genres / np.sqrt(genres.sum(axis=1, keepdims=True))

    def live(self) -> None:
        devices = self._service.members.devices[self._place]
        busy_until = 0
        for shown_at in self._draw_visits():
            if shown_at < busy_until:
                continue
            device = devices[int(self._stream.integers(0, len(devices)))]
            self._history.visits.append(Visit(shown_at, self._profile_id, device))
            busy_until = self._visit(shown_at)

    def _draw_visits(self) -> list[int]:
        plan, members = self._service.plan, self._service.members
        # The day that the catalogue is made nobody is let in.
        first = max(int(members.joined_at[self._place]), plan.since_micros + DAY_MICROS)
        days = plan.days - 1
        count = self._stream.poisson(members.visits_per_day[self._place] * days)
        shares = np.array(_SHARES_OF_HOURS) / sum(_SHARES_OF_HOURS)
        hours = self._stream.choice(len(shares), count, p=shares)
        moments = (
            plan.since_micros
            + DAY_MICROS
            + self._stream.integers(0, days, count) * DAY_MICROS
            + hours * HOUR_MICROS
            + self._stream.integers(0, HOUR_MICROS // SECOND_MICROS, count) * SECOND_MICROS
        )
        visits: list[int] = []
        for moment in np.sort(moments).tolist():
            if moment >= first and (
                not visits or moment - visits[-1] >= _CLOSEST_VISITS_MICROS
            ):
                visits.append(moment)
        return visits or [first + MINUTE_MICROS]

    def _visit(self, shown_at: int) -> int:
        """Do what is done at a visit; return when it is over."""
        now = shown_at
        plays = int(self._stream.choice(len(_SHARES_OF_PLAYS), p=_SHARES_OF_PLAYS))
        for _ in range(plays):
            now += int(self._stream.integers(20, 200)) * SECOND_MICROS
            liking = self._liking(now)
            if not np.any(np.isfinite(liking)):
                break
            now = self._play(liking, now)
        if self._stream.random() < _LISTING_SHARE:
            now = self._list(now + 20 * SECOND_MICROS)
        return now

    def _liking(self, at: int) -> Float64Array:
        """Return how much each video is liked now, -inf where it cannot be chosen."""
        service, catalogue = self._service, self._service.catalogue
        country = service.members.country(self._place, at)
        progress = (at - service.plan.since_micros) / (service.plan.days * DAY_MICROS)
        ages = (at - service.plan.since_micros) / (365 * DAY_MICROS) - (
            catalogue.years - catalogue.years.max()
        )
        liking = (
            self._genres @ service.tastes.at(self._place, progress)
            + catalogue.appeal
            + service.trends.boost(service.plan.videos, country, at)
            + service.tastes.age_liking[self._place] * ages
        )
        may_see = (
            service.licences.available(country, at)
            & (catalogue.maturities <= service.members.maturity_limits[self._place])
            & ~self._seen
        )
        return np.where(may_see, liking, -np.inf)

    def _play(self, liking: Float64Array, begin: int) -> int:
        video = self._choose(liking)
        liked = float(liking[video])
        already = self._unfinished.pop(video, 0.0)
        finishes = self._stream.random() < 1 / (1 + np.exp(_USUAL_LIKING - liked))
        reached = self._stream.uniform(_FINISHED, 1.0) if finishes else self._stream.uniform()
        share = max(already, round(reached * _SHARE_STEPS) / _SHARE_STEPS)
        minutes = float(self._service.catalogue.minutes[video]) * max(share - already, 0.05)
        end = begin + int(minutes * 60) * SECOND_MICROS
        self._note(EventKind.PLAY, video, share, begin, end)
        if share >= _FINISHED:
            self._seen[video] = True
        else:
            self._unfinished[video] = share
        if video in self._listed:
            self._listed.discard(video)
            self._note(EventKind.LIST, video, 0.0, end, end)
        if video not in self._opined:
            self._opine(video, liked, end + 10 * SECOND_MICROS)
        return end

    def _choose(self, liking: Float64Array) -> int:
        unfinished = [video for video in self._unfinished if np.isfinite(liking[video])]
        if unfinished and self._stream.random() < _RESUMING_SHARE:
            return unfinished[-1]
        return int(np.argmax(liking + self._stream.gumbel(size=len(liking))))

    def _opine(self, video: int, liked: float, at: int) -> None:
        drawn = self._stream.random()
        felt = liked - _USUAL_LIKING + self._stream.normal(0.0, 0.5)
        if drawn < _RATING_SHARE:
            stars = min(max(round(2 * (3.5 + felt)), 1), 10) / 2
            self._note(EventKind.RATING, video, stars, at, at)
        elif drawn < _RATING_SHARE + _THUMB_SHARE:
            self._note(EventKind.THUMB, video, 1.0 if felt > 0 else -1.0, at, at)
        else:
            return
        self._opined.add(video)

    def _list(self, at: int) -> int:
        liking = self._liking(at)
        liking[[*self._listed, *self._unfinished]] = -np.inf
        if np.any(np.isfinite(liking)):
            video = self._choose(liking)
            self._listed.add(video)
            self._note(EventKind.LIST, video, 1.0, at, at)
        return at

    def _note(self, kind: EventKind, video: int, value: float, at: int, end: int) -> None:
        known_at = end + int(self._stream.integers(*_PROMPT_SECONDS)) * SECOND_MICROS
        if known_at >= self._service.plan.until_micros:
            return
        self._counts[kind] += 1
        self._history.events.append(
            Event(
                event_id=f"{kind.name.lower()}:{self._profile_id}:{self._counts[kind]}",
                profile_id=self._profile_id,
                event_at=at,
                kind=kind,
                video_id=int(self._service.catalogue.video_ids[video]),
                value=value,
                known_at=known_at,
            )
        )
