"""A MovieLens release with what is derived from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from worlds.durations import DAY_MICROS, HOUR_MICROS, floor_to_day
from worlds.features.events import find_places
from worlds.months import month_starts, months_of
from worlds.movielens.synthetic_attributes import (
    Member,
    choose_devices,
    derive_added_months,
    derive_members,
)
from worlds.movielens.visits import derive_visits
from worlds.visits import Visits

if TYPE_CHECKING:
    from core.arrays import Int64Array
    from worlds.draws import Draws
    from worlds.movielens.source import Movie, Ratings


@dataclass(frozen=True, slots=True, eq=False)
class Release:
    """Hold a release with what is derived from it.

    Args:
        ratings: Of listed films.
        movies: All films.
        user_ids: int64[members], ascending.
        joined_at: int64[members], an hour before the first rating, microseconds.
        members: What is made up for each.
        added_months: int64[movies], in which each film enters the catalogue.
        since: When the world begins, microseconds.
        until: When it ends.
    """

    ratings: Ratings
    movies: tuple[Movie, ...]
    user_ids: Int64Array
    joined_at: Int64Array
    members: tuple[Member, ...]
    added_months: Int64Array
    since: int
    until: int

    @property
    def movie_ids(self) -> Int64Array:
        """Return the ids of all films, in their order: int64[movies]."""
        return np.array([movie.movie_id for movie in self.movies], np.int64)

    @property
    def genres(self) -> tuple[str, ...]:
        """Return all genres, ascending."""
        return tuple(sorted({genre for movie in self.movies for genre in movie.genres}))

    @property
    def eras(self) -> tuple[int, ...]:
        """Return the first years of the decades that films are from, ascending."""
        years = {movie.year for movie in self.movies if movie.year is not None}
        return tuple(sorted({year - year % 10 for year in years}))

    def visits(self, draws: Draws) -> Visits:
        """Return who opens the homepage when, and on what."""
        user_ids, shown_at = derive_visits(self.ratings.user_ids, self.ratings.rated_at)
        places = find_places(self.user_ids, user_ids)
        members = [self.members[place] for place in places.tolist()]
        devices = choose_devices(draws, members, user_ids, shown_at)
        return Visits.sort(shown_at, user_ids, devices)


def derive_release(draws: Draws, ratings: Ratings, movies: tuple[Movie, ...]) -> Release:
    """Return ratings and films with what is derived from them."""
    user_ids, places = np.unique(ratings.user_ids, return_inverse=True)
    first_rated = np.full(len(user_ids), np.iinfo(np.int64).max)
    np.minimum.at(first_rated, places, ratings.rated_at)
    joined_at = first_rated - HOUR_MICROS
    since_month = int(months_of(joined_at.min()))
    until = floor_to_day(int(ratings.rated_at.max())) + 2 * DAY_MICROS
    first_rated_movies = _first_rated_movies(ratings, movies, until)
    return Release(
        ratings=ratings,
        movies=movies,
        user_ids=user_ids,
        joined_at=joined_at,
        members=derive_members(draws, user_ids),
        added_months=derive_added_months(draws, movies, first_rated_movies, since_month),
        since=int(month_starts(since_month)),
        until=until,
    )


def _first_rated_movies(ratings: Ratings, movies: tuple[Movie, ...], until: int) -> Int64Array:
    """Return when each film was first rated, `until` for those that never were."""
    ids = np.array([movie.movie_id for movie in movies], np.int64)
    order = np.argsort(ids)
    first = np.full(len(ids), until)
    np.minimum.at(first, order[find_places(ids[order], ratings.movie_ids)], ratings.rated_at)
    return first
