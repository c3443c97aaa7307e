"""Makes a world from a MovieLens release."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from timetravel.facts.external_ids import IdForm
from worlds.directory import write_world
from worlds.draws import Draws
from worlds.durations import DAY_MICROS, MINUTE_MICROS
from worlds.errors import MalformedSource
from worlds.manifest import Manifest
from worlds.movielens.release import derive_release
from worlds.movielens.source import (
    MOVIES_NAME,
    RATINGS_NAME,
    Movie,
    Ratings,
    check_readme,
    read_movies,
    read_ratings,
)
from worlds.movielens.synthetic_attributes import COUNTRIES
from worlds.movielens.tables import attribute_table, availability_table, event_tables
from worlds.production import document_history
from worlds.records import ATTRIBUTES, AVAILABILITY, DOCUMENTS, EVENTS, to_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

TOLERATED_SHARE: Final = 0.001
"""Of ratings whose film is not listed; more means that movies.csv is broken."""

_VIDEO_GRID_MICROS: Final = 7 * DAY_MICROS
_PROFILE_GRID_MICROS: Final = 10 * MINUTE_MICROS


@dataclass(frozen=True, slots=True)
class ImportReport:
    """Say what was imported.

    Args:
        manifest: Of the world that was made.
        set_aside: How many ratings were left out because their film is not listed.
    """

    manifest: Manifest
    set_aside: int


def source_bytes(source: Path) -> int:
    """Return how many bytes an import reads, for its progress; 0 of missing files."""
    paths = (source / MOVIES_NAME, source / RATINGS_NAME)
    return sum(path.stat().st_size for path in paths if path.is_file())


def import_movielens(
    source: Path,
    target: Path,
    *,
    seed: int,
    ids: IdForm = IdForm.NUMBERS,
    advance: Callable[[int], None] = lambda _bytes: None,
) -> ImportReport:
    """Make a world of a MovieLens release.

    Args:
        source: Directory of the unpacked release.
        target: Where the world goes; there must be nothing yet.
        seed: Of what MovieLens lacks; see `synthetic_attributes`.
        ids: How members and videos are named.
        advance: Told how many bytes of the source have been read since it was last told.

    Raises:
        SourceNotFound: A file of the release is missing.
        MalformedSource: One is broken; file, line and value are named.
        WorldExists: There is something at the target.
    """
    with write_world(target, ids) as writer:
        movies = read_movies(source, advance)
        everything = read_ratings(source, advance)
        check_readme(source, ratings=len(everything), movies=len(movies))
        ratings, remark = _set_aside_unlisted(everything, movies, source / RATINGS_NAME)
        draws = Draws(seed)
        release = derive_release(draws, ratings, movies)
        documents = document_history(release.since, release.until)
        writer.write_facts(DOCUMENTS, [to_table(DOCUMENTS, documents)])
        writer.write_facts(ATTRIBUTES, [attribute_table(draws, release)])
        writer.write_facts(AVAILABILITY, [availability_table(draws, release)])
        writer.write_facts(EVENTS, event_tables(ratings))
        writer.write_visits(release.visits(draws))
        manifest = Manifest(
            source="movielens",
            synthetic=False,
            seed=seed,
            since_micros=release.since,
            until_micros=release.until,
            countries=COUNTRIES,
            genres=release.genres,
            eras=release.eras,
            video_grid_micros=_VIDEO_GRID_MICROS,
            profile_grid_micros=_PROFILE_GRID_MICROS,
            counts={"profiles": len(release.user_ids), "videos": len(movies)},
            remarks=(remark,) if remark else (),
        )
        return ImportReport(writer.finish(manifest), len(everything) - len(ratings))


def _set_aside_unlisted(
    ratings: Ratings, movies: Sequence[Movie], path: Path
) -> tuple[Ratings, str]:
    """Return the ratings of listed films, and a remark on the others."""
    listed = np.isin(ratings.movie_ids, [movie.movie_id for movie in movies])
    unlisted = int(np.count_nonzero(~listed))
    if unlisted == 0:
        return ratings, ""
    first = int(np.argmin(listed))
    remark = (
        f"{unlisted} of {len(ratings)} ratings are of films that {MOVIES_NAME} does not list, "
        f"first in line {ratings.lines[first]} of {RATINGS_NAME}: movieId "
        f"{ratings.movie_ids[first]}, userId {ratings.user_ids[first]}."
    )
    if unlisted > TOLERATED_SHARE * len(ratings):
        raise MalformedSource(
            f"In {path.parent}, {remark}",
            remedy=f"{MOVIES_NAME} is cut off or from another release: download again.",
            field=MOVIES_NAME,
        )
    kept = Ratings(
        ratings.user_ids[listed],
        ratings.movie_ids[listed],
        ratings.stars[listed],
        ratings.rated_at[listed],
        ratings.lines[listed],
    )
    return kept, f"{remark} They were set aside."
