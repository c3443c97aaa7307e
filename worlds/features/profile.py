"""Features of profiles: genre affinity, taste and activity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from worlds.durations import DAY_MICROS
from worlds.features.events import SPEAKING_KINDS, Events, find_places, is_of_kinds, liking
from worlds.features.fixed_point import add_at, count_at, multiply, to_fixed, to_floats

if TYPE_CHECKING:
    from core.arrays import Float32Array, Int64Array
    from worlds.features.sparse_content import SparseContent

ACTIVITY_FIELDS: Final = (
    "events_7d",
    "events_28d",
    "events_all",
    "mean_value",
    "days_since_previous",
)
_WINDOW_DAYS: Final = (7, 28)

AFFINITY_PRIOR: Final = 5
"""An affinity starts as that of five events which say nothing."""

TASTE_HALF_LIFE_DAYS: Final = 180
_OLDEST_DAYS: Final = 20 * TASTE_HALF_LIFE_DAYS
_DECAY: Final = to_fixed(
    [*(0.5 ** (days / TASTE_HALF_LIFE_DAYS) for days in range(_OLDEST_DAYS)), 0.0]
)
"""By whole days of age; what is older has no weight."""


@dataclass(frozen=True, slots=True, eq=False)
class Opinions:
    """Hold what some profiles have said of titles by a moment.

    Args:
        events: That say something, none after the moment.
        rows: int64[events], place of each event's profile.
        likings: int64[events] in fixed point.
        profile_count: How many profiles there are.
        at: The moment, microseconds.
    """

    events: Events
    rows: Int64Array
    likings: Int64Array
    profile_count: int
    at: int

    @classmethod
    def collect(cls, events: Events, profile_ids: Int64Array, at: int) -> Opinions:
        """Return what profiles (ascending ids) have said, from events in any order."""
        rows = find_places(profile_ids, events.profile_ids)
        said = (events.event_at <= at) & (rows >= 0) & is_of_kinds(events, *SPEAKING_KINDS)
        chosen = events.where(said)
        return cls(chosen, rows[said], liking(chosen), len(profile_ids), at)


def compute_genre_affinity(
    opinions: Opinions, content: SparseContent, videos: Int64Array, size: int
) -> Float32Array:
    """Return how much each profile likes each genre: the smoothed mean liking, -1 to 1.

    Args:
        opinions: Of the profiles.
        content: Genres of the videos.
        videos: int64[events], place of each event's video; -1 where it is not known.
        size: Fields of the genre space.

    Returns:
        float32[profiles, size].
    """
    known = np.flatnonzero(videos >= 0)
    fields, entries = content.spread(videos[known])
    entries = known[entries]
    cells = opinions.rows[entries] * size + fields
    sums = add_at(cells, opinions.likings[entries], opinions.profile_count * size)
    counts = count_at(cells, opinions.profile_count * size)
    affinity = to_floats(sums) / (counts + AFFINITY_PRIOR)
    return affinity.astype(np.float32).reshape(opinions.profile_count, size)


def compute_taste(
    opinions: Opinions, content: SparseContent, videos: Int64Array, size: int
) -> Float32Array:
    """Return the direction of each profile's liking in the content space.

    Content vectors are summed by liking, which halves in weight every 180 days, and scaled to
    unit length; a profile that has said nothing gets zeros.

    Args:
        opinions: Of the profiles.
        content: Genres and eras of the videos.
        videos: int64[events], place of each event's video; -1 where it is not known.
        size: Fields of the taste space.

    Returns:
        float32[profiles, size].
    """
    days = np.minimum((opinions.at - opinions.events.event_at) // DAY_MICROS, _OLDEST_DAYS)
    decayed = multiply(opinions.likings, _DECAY[days])
    known = np.flatnonzero(videos >= 0)
    weights = multiply(decayed[known], content.values[videos[known]])
    fields, entries = content.spread(videos[known])
    cells = opinions.rows[known[entries]] * size + fields
    sums = add_at(cells, weights[entries], opinions.profile_count * size)
    direction = to_floats(sums).reshape(opinions.profile_count, size)
    squares = np.zeros(opinions.profile_count)
    for field in range(size):
        squares += direction[:, field] * direction[:, field]
    length = np.where(squares > 0, np.sqrt(squares), 1.0)
    return (direction / length[:, np.newaxis]).astype(np.float32)


def compute_activity(opinions: Opinions) -> Float32Array:
    """Return how much each profile does.

    Returns:
        float32[profiles, 5], see ACTIVITY_FIELDS: events in windows and ever, their mean
        liking (0 of none), and days from the event before the newest to the newest (NaN
        where there are fewer than two).
    """
    rows, count, event_at = opinions.rows, opinions.profile_count, opinions.events.event_at
    activity = np.full((count, len(ACTIVITY_FIELDS)), np.nan, np.float32)
    for column, days in enumerate(_WINDOW_DAYS):
        within = rows[opinions.at - event_at < days * DAY_MICROS]
        activity[:, column] = count_at(within, count)
    totals = count_at(rows, count)
    activity[:, 2] = totals
    activity[:, 3] = to_floats(add_at(rows, opinions.likings, count)) / np.maximum(totals, 1)
    order = np.lexsort((event_at, rows))
    ends = np.cumsum(totals)
    several = np.flatnonzero(totals > 1)
    newest = event_at[order[ends[several] - 1]]
    previous = event_at[order[ends[several] - 2]]
    activity[several, 4] = (newest - previous) / DAY_MICROS
    return activity
