"""Attributes that MovieLens lacks, derived by seeded rules and marked synthetic.

Each draw depends on the seed, its purpose and the ids it is for (see `worlds.draws`).

Members
    country         US 40%, GB 20%, DE 15%, BR 15%, JP 10%
    maturity_limit  18 for 80%, 16 for 12%, 13 for 8%
    devices         tv 75%, phone 70%, web 45%, each by itself; web for those without any
    plan            basic 30%, standard 45%, premium 25%
    tenure_since    the day of the first rating
    All are known an hour before the first rating.

Films
    added_at        Always the first of a month, and never later than the month of the first
                    rating. A film from before the world's first year is there from the start
                    with 70%, or comes in a month drawn from the time until its first rating.
                    Any other comes in a month drawn from its year of release.
    maturity        By the genre that asks most: Horror 16, Crime, War, Thriller, Film-Noir 13,
                    Children and Animation 0, else 7; one step more for 25%, a step being the
                    next of 0, 7, 13, 16, 18.

Licences
    A film is licensed in a country with 92%. The first licence begins with the month in which
    the film is added (70%) or one to twelve months later; each lasts two to eight years; one
    to twelve months lie between them. All begin and end with a month, and are known a month
    before they begin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from worlds.months import MONTHS_PER_YEAR, months_of, months_of_years

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.arrays import Float64Array, Int64Array
    from worlds.draws import Draws
    from worlds.movielens.source import Movie

COUNTRIES: Final = ("BR", "DE", "GB", "JP", "US")
_COUNTRY_WEIGHTS: Final = (0.15, 0.15, 0.20, 0.10, 0.40)

MATURITIES: Final = (0, 7, 13, 16, 18)
_LIMITS: Final = (18, 16, 13)
_LIMIT_WEIGHTS: Final = (0.80, 0.12, 0.08)

DEVICES: Final = ("phone", "tv", "web")
_DEVICE_SHARES: Final = {"phone": 0.70, "tv": 0.75, "web": 0.45}
_LAST_RESORT: Final = "web"

PLANS: Final = ("basic", "standard", "premium")
_PLAN_WEIGHTS: Final = (0.30, 0.45, 0.25)

_MATURITY_OF_GENRES: Final = {
    16: ("Horror",),
    13: ("Crime", "War", "Thriller", "Film-Noir"),
    0: ("Children", "Animation"),
}
_OTHER_MATURITY: Final = 7
_STRICTER_SHARE: Final = 0.25

_FROM_THE_START_SHARE: Final = 0.70
_LICENSED_SHARE: Final = 0.92
_AT_ONCE_SHARE: Final = 0.70
_LONGEST_WAIT_MONTHS: Final = 12
_LICENCE_MONTHS: Final = (24, 96)
_PAUSE_MONTHS: Final = (1, 12)
_NOTICE_MONTHS: Final = 1


@dataclass(frozen=True, slots=True)
class Member:
    """Hold what is derived for one member."""

    country: str
    maturity_limit: int
    devices: tuple[str, ...]
    plan: str


@dataclass(frozen=True, slots=True, eq=False)
class Licences:
    """Hold licence windows, by film, country and order in time.

    Args:
        movie_ids: int64[windows].
        countries: int64[windows], places in COUNTRIES.
        numbers: int64[windows], 0 for the first window of a film in a country.
        first_months: int64[windows].
        end_months: int64[windows], the month in which the window is over.
        known_months: int64[windows], when it becomes known.
    """

    movie_ids: Int64Array
    countries: Int64Array
    numbers: Int64Array
    first_months: Int64Array
    end_months: Int64Array
    known_months: Int64Array


def derive_members(draws: Draws, user_ids: Int64Array) -> tuple[Member, ...]:
    """Return what is derived for each member."""
    countries = draws.choices("country", _COUNTRY_WEIGHTS, user_ids)
    limits = draws.choices("maturity_limit", _LIMIT_WEIGHTS, user_ids)
    plans = draws.choices("plan", _PLAN_WEIGHTS, user_ids)
    owned = {
        device: draws.uniform(f"device {device}", user_ids) < _DEVICE_SHARES[device]
        for device in DEVICES
    }
    return tuple(
        Member(
            country=COUNTRIES[countries[place]],
            maturity_limit=_LIMITS[limits[place]],
            devices=tuple(device for device in DEVICES if owned[device][place])
            or (_LAST_RESORT,),
            plan=PLANS[plans[place]],
        )
        for place in range(len(user_ids))
    )


def derive_maturities(draws: Draws, movies: Sequence[Movie]) -> Int64Array:
    """Return the maturity of each film: int64[movies], ages."""
    ids = np.array([movie.movie_id for movie in movies], np.int64)
    usual = np.array([_usual_maturity(movie.genres) for movie in movies], np.int64)
    steps = np.searchsorted(MATURITIES, usual)
    steps += draws.uniform("maturity", ids) < _STRICTER_SHARE
    return np.array(MATURITIES, np.int64)[np.minimum(steps, len(MATURITIES) - 1)]


def derive_added_months(
    draws: Draws, movies: Sequence[Movie], first_rated_at: Int64Array, since_month: int
) -> Int64Array:
    """Return the month in which each film is added: int64[movies].

    Args:
        draws: Of the world.
        movies: All films.
        first_rated_at: int64[movies], microseconds; the world's end for a film never rated.
        since_month: In which the world begins.
    """
    ids = np.array([movie.movie_id for movie in movies], np.int64)
    latest = np.maximum(months_of(first_rated_at), since_month)
    since_year_month = since_month - since_month % MONTHS_PER_YEAR
    years = np.array([0 if movie.year is None else movie.year for movie in movies], np.int64)
    release_months = months_of_years(years)
    is_old = release_months < since_year_month
    from_start = draws.uniform("from the start", ids) < _FROM_THE_START_SHARE
    share = draws.uniform("added", ids)
    old_months = since_month + np.floor(share * (latest - since_month + 1)).astype(np.int64)
    new_months = release_months + np.floor(share * MONTHS_PER_YEAR).astype(np.int64)
    added = np.where(is_old, np.where(from_start, since_month, old_months), new_months)
    return np.clip(added, since_month, latest)


def derive_licences(
    draws: Draws, movie_ids: Int64Array, added_months: Int64Array, end_month: int
) -> Licences:
    """Return the licence windows that begin before a month.

    Args:
        draws: Of the world.
        movie_ids: int64[movies].
        added_months: int64[movies].
        end_month: After which nothing is told.
    """
    movies = np.repeat(movie_ids, len(COUNTRIES))
    countries = np.tile(np.arange(len(COUNTRIES)), len(movie_ids))
    added = np.repeat(added_months, len(COUNTRIES))
    licensed = draws.uniform("licensed", movies, countries) < _LICENSED_SHARE
    movies, countries, added = movies[licensed], countries[licensed], added[licensed]
    waits = draws.uniform("licence waits", movies, countries) >= _AT_ONCE_SHARE
    wait = draws.integers("licence wait", 1, _LONGEST_WAIT_MONTHS, movies, countries)
    first = added + np.where(waits, wait, 0)
    parts: list[tuple[Int64Array, ...]] = [(np.empty(0, np.int64),) * 6]
    number = 0
    while np.any(begins := first < end_month):
        movies, countries, added = movies[begins], countries[begins], added[begins]
        first = first[begins]
        window = (movies, countries, np.full(len(movies), number))
        end = first + draws.integers("licence length", *_LICENCE_MONTHS, *window)
        known = np.maximum(added, first - _NOTICE_MONTHS)
        parts.append((*window, first, end, known))
        first = end + draws.integers("licence pause", *_PAUSE_MONTHS, *window)
        number += 1
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.lexsort((columns[2], columns[1], columns[0]))
    return Licences(*(column[order] for column in columns))


def choose_devices(
    draws: Draws, members: Sequence[Member], user_ids: Int64Array, shown_at: Int64Array
) -> tuple[str, ...]:
    """Return the device of each visit.

    Args:
        draws: Of the world.
        members: Of each visit.
        user_ids: int64[visits].
        shown_at: int64[visits], microseconds.
    """
    shares: Float64Array = draws.uniform("visit", user_ids, shown_at)
    return tuple(
        member.devices[int(share * len(member.devices))]
        for member, share in zip(members, shares.tolist(), strict=True)
    )


def _usual_maturity(genres: Sequence[str]) -> int:
    for maturity, marked in _MATURITY_OF_GENRES.items():
        if any(genre in marked for genre in genres):
            return maturity
    return _OTHER_MATURITY
