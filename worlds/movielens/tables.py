"""The facts of a MovieLens world, as tables of the timeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from core.moments import from_micros
from services.page.inputs import (
    ADDED_AT,
    COUNTRY,
    GENRES,
    MATURITY,
    MATURITY_LIMIT,
    TITLE,
    YEAR,
)
from timetravel.facts.model import EntityKind, EventKind, canonical_json
from worlds.durations import HOUR_MICROS
from worlds.months import month_starts, months_of
from worlds.movielens.synthetic_attributes import COUNTRIES, derive_licences, derive_maturities
from worlds.records import MOMENT
from worlds.timeline import sort_records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.arrays import Int64Array
    from timetravel.facts.model import JsonValue
    from worlds.draws import Draws
    from worlds.movielens.release import Release
    from worlds.movielens.source import Ratings

RATINGS_SOURCE: Final = "movielens:ratings"
MOVIES_SOURCE: Final = "movielens:movies"
SYNTHETIC_SOURCE: Final = "movielens:synthetic"

_CHUNK_RATINGS: Final = 500_000


def attribute_table(draws: Draws, release: Release) -> pa.Table:
    """Return the attributes of members and films."""
    kinds, ids, names, known_at, values, sources = ([] for _ in range(6))

    def add(kind: EntityKind, entity_id: int, at: int, source: str, **named: JsonValue) -> None:
        for name, value in named.items():
            kinds.append(kind.value)
            ids.append(entity_id)
            names.append(name)
            known_at.append(at)
            values.append(canonical_json(value))
            sources.append(source)

    for user_id, joined_at, member in zip(
        release.user_ids.tolist(), release.joined_at.tolist(), release.members, strict=True
    ):
        own: dict[str, JsonValue] = {
            COUNTRY: member.country,
            MATURITY_LIMIT: member.maturity_limit,
            "devices": member.devices,
            "plan": member.plan,
            "tenure_since": from_micros(joined_at + HOUR_MICROS).date().isoformat(),
        }
        add(EntityKind.PROFILE, user_id, joined_at, SYNTHETIC_SOURCE, **own)
    maturities = derive_maturities(draws, release.movies).tolist()
    added_at = month_starts(release.added_months).tolist()
    for movie, maturity, at in zip(release.movies, maturities, added_at, strict=True):
        found = {TITLE: movie.title, YEAR: movie.year, GENRES: movie.genres}
        add(EntityKind.VIDEO, movie.movie_id, at, MOVIES_SOURCE, **found)
        derived = {MATURITY: maturity, ADDED_AT: at}
        add(EntityKind.VIDEO, movie.movie_id, at, SYNTHETIC_SOURCE, **derived)
    moments = pa.array(known_at, pa.int64()).cast(MOMENT)
    table = pa.table(
        {
            "kind": pa.array(kinds, pa.int8()),
            "entity_id": pa.array(ids, pa.int64()),
            "name": names,
            "valid_from": moments,
            "value": values,
            "known_at": moments,
            "op": _zeros(len(ids)),
            "source": sources,
            "synthetic": [source == SYNTHETIC_SOURCE for source in sources],
        }
    )
    return sort_records(table, "kind", "entity_id", "name")


def availability_table(draws: Draws, release: Release) -> pa.Table:
    """Return the licences of films."""
    end_month = int(months_of(release.until)) + 2
    windows = derive_licences(draws, release.movie_ids, release.added_months, end_month)
    known_at = month_starts(windows.known_months)
    known = known_at < release.until
    count = int(np.count_nonzero(known))
    table = pa.table(
        {
            "window_id": [
                f"{movie}:{COUNTRIES[country]}:{number}"
                for movie, country, number in zip(
                    windows.movie_ids[known].tolist(),
                    windows.countries[known].tolist(),
                    windows.numbers[known].tolist(),
                    strict=True,
                )
            ],
            "video_id": windows.movie_ids[known],
            "country": pa.array(COUNTRIES).take(pa.array(windows.countries[known])),
            "valid_from": _moments(month_starts(windows.first_months[known])),
            "valid_to": _moments(month_starts(windows.end_months[known])),
            "known_at": _moments(known_at[known]),
            "op": _zeros(count),
            "source": [SYNTHETIC_SOURCE] * count,
            "synthetic": np.ones(count, np.bool_),
        }
    )
    return sort_records(table, "video_id", "country", "valid_from")


def event_tables(ratings: Ratings) -> Iterator[pa.Table]:
    """Yield the ratings as events, in chunks."""
    order = np.lexsort((ratings.movie_ids, ratings.user_ids, ratings.rated_at))
    for first in range(0, len(order), _CHUNK_RATINGS):
        chosen = order[first : first + _CHUNK_RATINGS]
        users, movies = ratings.user_ids[chosen], ratings.movie_ids[chosen]
        moments = _moments(ratings.rated_at[chosen])
        count = len(chosen)
        yield pa.table(
            {
                "event_id": [
                    f"rating:{user}:{movie}"
                    for user, movie in zip(users.tolist(), movies.tolist(), strict=True)
                ],
                "profile_id": users,
                "event_at": moments,
                "kind": np.full(count, EventKind.RATING.value, np.int8),
                "video_id": movies,
                "value": ratings.stars[chosen],
                "known_at": moments,
                "op": _zeros(count),
                "source": [RATINGS_SOURCE] * count,
                "synthetic": np.zeros(count, np.bool_),
            }
        )


def _moments(micros: Int64Array) -> pa.Array:
    return pa.array(micros).cast(MOMENT)


def _zeros(count: int) -> pa.Array:
    return pa.array(np.zeros(count, np.int8))
