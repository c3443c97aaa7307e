"""Licences of a synthetic service: where and when a video may be shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from worlds.durations import DAY_MICROS, floor_to_day

if TYPE_CHECKING:
    from core.arrays import BoolArray, Int64Array
    from worlds.synthetic.catalogue import Catalogue
    from worlds.synthetic.plan import SyntheticPlan

_LICENSED_SHARE: Final = 0.9
_ENDING_SHARE: Final = 0.25
_RENEWED_SHARE: Final = 0.4
_LONGEST_PAUSE_DAYS: Final = 10
_NOTICE_DAYS: Final = 7
_LASTING_DAYS: Final = 365
"""A licence that does not end in the world's time ends so long after it."""


@dataclass(frozen=True, slots=True, eq=False)
class Licences:
    """Hold licence windows, columns of one length; all moments are midnights, microseconds.

    Args:
        videos: int64[windows], places in the catalogue.
        countries: int64[windows], places in the plan's countries.
        numbers: int64[windows], 0 for the first window of a video in a country.
        valid_from: int64[windows].
        valid_to: int64[windows].
        known_at: int64[windows].
    """

    videos: Int64Array
    countries: Int64Array
    numbers: Int64Array
    valid_from: Int64Array
    valid_to: Int64Array
    known_at: Int64Array
    video_count: int
    _by_day: dict[tuple[int, int], BoolArray] = field(default_factory=dict)

    def available(self, country: int, at: int) -> BoolArray:
        """Return which videos may be shown in a country: bool[videos]."""
        key = (country, floor_to_day(at))
        if key not in self._by_day:
            holds = (self.valid_from <= at) & (at < self.valid_to)
            available = np.zeros(self.video_count, np.bool_)
            available[self.videos[holds & (self.countries == country)]] = True
            self._by_day[key] = available
        return self._by_day[key]


def make_licences(plan: SyntheticPlan, catalogue: Catalogue) -> Licences:
    """Return the licences of a world.

    A video is licensed in a country with 90%, from when it is added. A quarter of the
    licences end within the world's time; two fifths of these are renewed within ten days.
    What begins later is known a week before.
    """
    stream = plan.stream("licences")
    videos = np.repeat(np.arange(plan.videos), len(plan.countries))
    countries = np.tile(np.arange(len(plan.countries)), plan.videos)
    licensed = stream.random(len(videos)) < _LICENSED_SHARE
    videos, countries = videos[licensed], countries[licensed]
    begin = catalogue.added_at[videos]
    count = len(videos)
    forever = plan.until_micros + _LASTING_DAYS * DAY_MICROS
    ends = stream.random(count) < _ENDING_SHARE
    first_end = np.maximum(begin, plan.since_micros) // DAY_MICROS + 1
    last_end = plan.until_micros // DAY_MICROS
    end_day = first_end + np.floor(stream.random(count) * (last_end - first_end + 1))
    end = np.where(ends, end_day.astype(np.int64) * DAY_MICROS, forever)
    renewed = ends & (stream.random(count) < _RENEWED_SHARE)
    again = end + stream.integers(1, _LONGEST_PAUSE_DAYS + 1, count) * DAY_MICROS
    renewed &= again < plan.until_micros
    valid_from = np.concatenate([begin, again[renewed]])
    known_at = np.maximum(valid_from - _NOTICE_DAYS * DAY_MICROS, plan.since_micros)
    own_videos = np.concatenate([videos, videos[renewed]])
    # Nothing is told of a video before it is in the catalogue.
    listed_at = np.maximum(catalogue.added_at[own_videos], plan.since_micros)
    return Licences(
        videos=own_videos,
        countries=np.concatenate([countries, countries[renewed]]),
        numbers=np.concatenate(
            [np.zeros(count, np.int64), np.ones(int(renewed.sum()), np.int64)]
        ),
        valid_from=valid_from,
        valid_to=np.concatenate([end, np.full(int(renewed.sum()), forever)]),
        known_at=np.maximum(known_at, listed_at),
        video_count=plan.videos,
    )
