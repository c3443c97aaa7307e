"""Features of videos: popularity, mean rating and trend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from timetravel.facts.model import EventKind
from worlds.durations import DAY_MICROS
from worlds.features.events import Events, is_of_kinds, stars
from worlds.features.fixed_point import ONE, add_at, count_at, to_fixed, to_floats

if TYPE_CHECKING:
    from core.arrays import Float32Array, Int64Array

POPULARITY_FIELDS: Final = (
    "events_7d",
    "events_28d",
    "events_365d",
    "events_all",
    "mean_rating",
)
_WINDOW_DAYS: Final = (7, 28, 365)

PRIOR_STARS: Final = 3.5
PRIOR_OPINIONS: Final = 10
"""A title's mean rating starts as that of ten opinions of 3.5 stars."""

TRENDING_WEEKS: Final = 4
_WEEK_MICROS: Final = 7 * DAY_MICROS

_WATCHED: Final = (EventKind.PLAY, EventKind.RATING)
_OPINIONS: Final = (EventKind.RATING, EventKind.THUMB)


def compute_popularity(
    events: Events, places: Int64Array, video_count: int, at: int
) -> Float32Array:
    """Return how often each video was watched, and how well it is liked.

    A play or a rating counts as one event. The mean rating is a Bayesian average (prior of
    10 opinions of 3.5 stars) over ratings and thumbs.

    Args:
        events: Of all profiles, none after the moment.
        places: int64[events], place of each event's video.
        video_count: How many videos there are.
        at: The moment, microseconds.

    Returns:
        float32[videos, 5], see POPULARITY_FIELDS.
    """
    watched = is_of_kinds(events, *_WATCHED)
    watched_places, ages = places[watched], at - events.event_at[watched]
    popularity = np.empty((video_count, len(POPULARITY_FIELDS)), np.float32)
    for column, days in enumerate(_WINDOW_DAYS):
        within = watched_places[ages < days * DAY_MICROS]
        popularity[:, column] = count_at(within, video_count)
    popularity[:, -2] = count_at(watched_places, video_count)
    opinions = is_of_kinds(events, *_OPINIONS)
    popularity[:, -1] = _mean_ratings(events.where(opinions), places[opinions], video_count)
    return popularity


def compute_trending(
    events: Events,
    places: Int64Array,
    countries: Int64Array,
    shape: tuple[int, int],
    at: int,
) -> Float32Array:
    """Return how much each video is watched in each country of late.

    A play or a rating counts 1 in its first week, 1/2 in its second, 1/4 in its third, 1/8 in
    its fourth, and then nothing.

    Args:
        events: Of all profiles, none after the moment.
        places: int64[events], place of each event's video.
        countries: int64[events], place of the profile's country; -1 where it is not known.
        shape: How many videos and how many countries there are.
        at: The moment, microseconds.

    Returns:
        float32[videos, countries].
    """
    weeks = (at - events.event_at) // _WEEK_MICROS
    counts = (weeks < TRENDING_WEEKS) & is_of_kinds(events, *_WATCHED) & (countries >= 0)
    cells = places[counts] * shape[1] + countries[counts]
    sums = add_at(cells, ONE >> weeks[counts], shape[0] * shape[1])
    return to_floats(sums).astype(np.float32).reshape(shape)


def _mean_ratings(opinions: Events, places: Int64Array, video_count: int) -> Float32Array:
    sums = add_at(places, stars(opinions), video_count)
    prior = int(to_fixed(PRIOR_STARS)) * PRIOR_OPINIONS
    means = to_floats(sums + prior) / (count_at(places, video_count) + PRIOR_OPINIONS)
    return means.astype(np.float32)
