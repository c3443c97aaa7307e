"""The catalogue of a synthetic service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from core.moments import from_micros
from worlds.durations import DAY_MICROS
from worlds.synthetic.titles import make_titles

if TYPE_CHECKING:
    from core.arrays import BoolArray, Float64Array, Int64Array
    from worlds.synthetic.plan import SyntheticPlan

_GENRE_WEIGHTS: Final = {
    "Action": 10,
    "Animation": 6,
    "Comedy": 16,
    "Crime": 9,
    "Documentary": 8,
    "Drama": 20,
    "Family": 6,
    "Fantasy": 5,
    "Horror": 5,
    "Music": 3,
    "Romance": 8,
    "Sci-Fi": 6,
    "Thriller": 10,
    "Western": 2,
}
GENRES: Final = tuple(_GENRE_WEIGHTS)
_SHARES_OF_GENRE_COUNTS: Final = (0.35, 0.45, 0.20)
"""Of videos with one, two and three genres."""

MATURITIES: Final = (0, 7, 13, 16, 18)
_MATURITY_OF: Final = {"Animation": 0, "Family": 0, "Crime": 16, "Horror": 16, "Thriller": 13}
_OTHER_MATURITY: Final = 7
_STRICTER_SHARE: Final = 0.2

_BACK_CATALOGUE_SHARE: Final = 0.85
_BACK_CATALOGUE_DAYS: Final = 730
_MEAN_AGE_YEARS: Final = 9.0
_OLDEST_YEARS: Final = 70
_SHORTEST_MINUTES: Final = 20
_LONGEST_MINUTES: Final = 150


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """Hold the videos of a service, by ascending id.

    Args:
        video_ids: int64[videos].
        titles: Title of each.
        years: int64[videos].
        has_genre: bool[videos, genres], see GENRES.
        maturities: int64[videos], ages.
        minutes: int64[videos], length.
        added_at: int64[videos], microseconds: a midnight, possibly before the world begins.
        appeal: float64[videos], how good each truly is; about -2 to 2.
    """

    video_ids: Int64Array
    titles: tuple[str, ...]
    years: Int64Array
    has_genre: BoolArray
    maturities: Int64Array
    minutes: Int64Array
    added_at: Int64Array
    appeal: Float64Array

    def genres(self, place: int) -> tuple[str, ...]:
        """Return the genres of the video at a place."""
        return tuple(GENRES[genre] for genre in np.flatnonzero(self.has_genre[place]).tolist())

    @property
    def eras(self) -> tuple[int, ...]:
        """Return the first years of the decades that videos are from, ascending."""
        return tuple(np.unique(self.years - self.years % 10).tolist())


def make_catalogue(plan: SyntheticPlan) -> Catalogue:
    """Return the catalogue of a world."""
    stream = plan.stream("catalogue")
    count = plan.videos
    has_genre = _draw_genres(stream, count)
    is_back = stream.random(count) < _BACK_CATALOGUE_SHARE
    # Some videos must be there when the first member comes.
    is_back[: count // 2] = True
    days = np.where(
        is_back,
        -stream.integers(0, _BACK_CATALOGUE_DAYS, count),
        stream.integers(1, plan.days, count),
    )
    added_at = plan.since_micros + days * DAY_MICROS
    ages = np.minimum(stream.exponential(_MEAN_AGE_YEARS, count), _OLDEST_YEARS)
    years_added = np.array([from_micros(at).year for at in added_at.tolist()], np.int64)
    return Catalogue(
        video_ids=np.arange(1, count + 1),
        titles=make_titles(stream, count),
        years=years_added - ages.astype(np.int64),
        has_genre=has_genre,
        maturities=_draw_maturities(stream, has_genre),
        minutes=stream.integers(_SHORTEST_MINUTES, _LONGEST_MINUTES + 1, count),
        added_at=added_at,
        appeal=np.clip(stream.standard_normal(count), -2.0, 2.0),
    )


def _draw_genres(stream: np.random.Generator, count: int) -> BoolArray:
    weights = np.array(list(_GENRE_WEIGHTS.values()), np.float64)
    # The smallest of exponential draws over their weights: a weighted draw without replacement.
    keys = stream.exponential(1.0, (count, len(GENRES))) / weights
    ranks = keys.argsort(axis=1).argsort(axis=1)
    counts = stream.choice(len(_SHARES_OF_GENRE_COUNTS), count, p=_SHARES_OF_GENRE_COUNTS) + 1
    has_genre: BoolArray = ranks < counts[:, np.newaxis]
    return has_genre


def _draw_maturities(stream: np.random.Generator, has_genre: BoolArray) -> Int64Array:
    usual = np.full(len(has_genre), _OTHER_MATURITY)
    for genre, maturity in _MATURITY_OF.items():
        usual[has_genre[:, GENRES.index(genre)]] = maturity
    steps = np.searchsorted(MATURITIES, usual)
    steps = steps + (stream.random(len(usual)) < _STRICTER_SHARE)
    return np.array(MATURITIES, np.int64)[np.minimum(steps, len(MATURITIES) - 1)]
