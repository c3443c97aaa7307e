"""What members truly like, and what truly trends: the truth that estimators look for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from worlds.durations import DAY_MICROS
from worlds.synthetic.catalogue import GENRES

if TYPE_CHECKING:
    from core.arrays import Float64Array, Int64Array
    from worlds.synthetic.catalogue import Catalogue
    from worlds.synthetic.plan import SyntheticPlan


_ARCHETYPES: Final = 6
_OWN_SHARE: Final = 0.5
_DRIFT: Final = 0.4
_MEAN_AGE_LIKING: Final = -0.02

_TRENDING_SHARE: Final = 0.04
_TREND_STRENGTH: Final = (1.5, 3.0)
_TREND_HALF_LIFE_DAYS: Final = (2.0, 8.0)
_WORLDWIDE_SHARE: Final = 0.3
WORLDWIDE: Final = -1


@dataclass(frozen=True, slots=True, eq=False)
class Tastes:
    """Hold how much each profile likes each genre, at the world's start and at its end.

    In between a taste lies in between. Both are float64[profiles, genres] of about unit
    variance; `age_liking` is float64[profiles], per year of a video's age.
    """

    at_start: Float64Array
    at_end: Float64Array
    age_liking: Float64Array

    def at(self, place: int, progress: float) -> Float64Array:
        """Return the taste of the profile at a place: float64[genres].

        Args:
            place: Of the profile.
            progress: How much of the world's time has passed, 0 to 1.
        """
        start, end = self.at_start[place], self.at_end[place]
        mixed: Float64Array = start + progress * (end - start)
        return mixed


@dataclass(frozen=True, slots=True, eq=False)
class Trends:
    """Hold waves of attention: columns of one length.

    Args:
        videos: int64, places in the catalogue.
        countries: int64, places in the plan's countries; WORLDWIDE for all.
        begin_at: int64, microseconds.
        strengths: float64, what they add to the liking at first.
        half_lives: float64, days.
    """

    videos: Int64Array
    countries: Int64Array
    begin_at: Int64Array
    strengths: Float64Array
    half_lives: Float64Array

    def boost(self, video_count: int, country: int, at: int) -> Float64Array:
        """Return what trends add to the liking of each video: float64[videos]."""
        here = (self.countries == country) | (self.countries == WORLDWIDE)
        on = here & (self.begin_at <= at)
        days = (at - self.begin_at[on]) / DAY_MICROS
        boost = np.zeros(video_count)
        np.add.at(
            boost, self.videos[on], self.strengths[on] * 0.5 ** (days / self.half_lives[on])
        )
        return boost


def make_tastes(plan: SyntheticPlan) -> Tastes:
    """Return the tastes of a world: a few archetypes, and everybody's own on top."""
    stream = plan.stream("tastes")
    archetypes = stream.standard_normal((_ARCHETYPES, len(GENRES)))
    belongs = stream.integers(0, _ARCHETYPES, plan.profiles)
    own = stream.standard_normal((plan.profiles, len(GENRES)))
    start = np.sqrt(1 - _OWN_SHARE) * archetypes[belongs] + np.sqrt(_OWN_SHARE) * own
    drift = stream.standard_normal((plan.profiles, len(GENRES)))
    return Tastes(
        at_start=start,
        at_end=start + _DRIFT * drift,
        age_liking=_MEAN_AGE_LIKING * stream.exponential(1.0, plan.profiles),
    )


def make_trends(plan: SyntheticPlan, catalogue: Catalogue) -> Trends:
    """Return the trends of a world; what is new trends more often."""
    stream = plan.stream("trends")
    count = max(1, int(_TRENDING_SHARE * plan.videos))
    is_new = catalogue.added_at >= plan.since_micros
    weights = np.where(is_new, 3.0, 1.0)
    videos = stream.choice(plan.videos, count, replace=False, p=weights / weights.sum())
    begin = plan.since_micros + stream.integers(0, plan.days, count) * DAY_MICROS
    worldwide = stream.random(count) < _WORLDWIDE_SHARE
    countries = stream.integers(0, len(plan.countries), count)
    return Trends(
        videos=videos,
        countries=np.where(worldwide, WORLDWIDE, countries),
        begin_at=np.maximum(begin, catalogue.added_at[videos]),
        strengths=stream.uniform(*_TREND_STRENGTH, count),
        half_lives=stream.uniform(*_TREND_HALF_LIFE_DAYS, count),
    )
