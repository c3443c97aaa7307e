"""Reads the CSV files of a MovieLens release, and refuses broken lines.

The files are described in the README.txt of every release. They are read line by line into
arrays of numbers: a release of 25 million ratings takes under a gigabyte.
"""

from __future__ import annotations

import csv
import io
import re
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from core.moments import format_moment, parse_moment
from timetravel.facts.model import LARGEST_ID
from worlds.durations import SECOND_MICROS
from worlds.errors import MalformedSource, SourceNotFound
from worlds.movielens.titles import split_title

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from core.arrays import Float32Array, Int64Array

RATINGS_NAME: Final = "ratings.csv"
MOVIES_NAME: Final = "movies.csv"
README_NAME: Final = "README.txt"

_RATINGS_HEADER: Final = ("userId", "movieId", "rating", "timestamp")
_MOVIES_HEADER: Final = ("movieId", "title", "genres")
_NO_GENRES: Final = "(no genres listed)"

EARLIEST_SECONDS: Final = parse_moment("1995-01-01") // SECOND_MICROS
LATEST_SECONDS: Final = parse_moment("2100-01-01") // SECOND_MICROS
"""Ratings lie between: a time that lost its last digit does not."""

_RATINGS_OF_README: Final = re.compile(r"contains ([0-9]+) ratings")
_MOVIES_OF_README: Final = re.compile(r"across ([0-9]+) movies")
_REPORT_EVERY: Final = 10_000
_MOST_DIGITS: Final = len(str(LARGEST_ID))
_LONGEST_QUOTE: Final = 80


@dataclass(frozen=True, slots=True, eq=False)
class Ratings:
    """Hold ratings in the order of the file.

    Args:
        user_ids: int64[ratings].
        movie_ids: int64[ratings].
        stars: float32[ratings], 0.5 to 5.
        rated_at: int64[ratings], microseconds.
        lines: int64[ratings], where each stands in the file.
    """

    user_ids: Int64Array
    movie_ids: Int64Array
    stars: Float32Array
    rated_at: Int64Array
    lines: Int64Array

    def __len__(self) -> int:
        return len(self.lines)


@dataclass(frozen=True, slots=True)
class Movie:
    """Describe one film."""

    movie_id: int
    title: str
    year: int | None
    genres: tuple[str, ...]


def read_ratings(directory: Path, advance: Callable[[int], None]) -> Ratings:
    """Return the ratings of a release.

    Args:
        directory: Of the release.
        advance: Told how many bytes have been read since it was last told.

    Raises:
        SourceNotFound: There is no such file.
        MalformedSource: A line breaks the rules of the format; it is named.
    """
    path = directory / RATINGS_NAME
    user_ids, movie_ids, times, lines = (array("q") for _ in range(4))
    stars = array("f")
    for line, (user, movie, rating, timestamp) in _lines(path, _RATINGS_HEADER, advance):
        user_ids.append(_read_id(path, line, "userId", user))
        movie_ids.append(_read_id(path, line, "movieId", movie))
        stars.append(_read_stars(path, line, rating))
        times.append(_read_time(path, line, timestamp))
        lines.append(line)
    if not lines:
        raise _malformed(path, 2, "holds no rating", "Download the release again.")
    ratings = Ratings(
        np.array(user_ids, np.int64),
        np.array(movie_ids, np.int64),
        np.array(stars, np.float32),
        np.array(times, np.int64) * SECOND_MICROS,
        np.array(lines, np.int64),
    )
    _refuse_second_ratings(path, ratings)
    return ratings


def read_movies(directory: Path, advance: Callable[[int], None]) -> tuple[Movie, ...]:
    """Return the films of a release, in the order of the file.

    Raises:
        SourceNotFound: There is no such file.
        MalformedSource: A line breaks the rules of the format; it is named.
    """
    path = directory / MOVIES_NAME
    movies: dict[int, Movie] = {}
    for line, (movie, text, genres) in _lines(path, _MOVIES_HEADER, advance):
        movie_id = _read_id(path, line, "movieId", movie)
        if movie_id in movies:
            raise _malformed(
                path, line, f"lists movieId {movie_id} a second time", "Keep one of the lines."
            )
        title, year = split_title(text)
        if not title:
            raise _malformed(
                path, line, f"has the title {_quote(text)}", "Give the film a title."
            )
        movies[movie_id] = Movie(movie_id, title, year, _read_texts(path, line, genres))
    if not movies:
        raise _malformed(path, 2, "holds no film", "Download the release again.")
    if not any(movie.genres for movie in movies.values()):
        raise MalformedSource(
            f"{path} names no genre of any film; a world needs at least one, to tell what "
            "members like.",
            remedy="Name the genres of films in the third column, e.g. Comedy|Drama.",
            field=path.name,
        )
    return tuple(movies.values())


def check_readme(directory: Path, *, ratings: int, movies: int) -> None:
    """Refuse files that hold less than the README of the release says.

    Raises:
        MalformedSource: A file was cut off between two lines.
    """
    readme = directory / README_NAME
    if not readme.is_file():
        return
    text = readme.read_text(encoding="utf-8", errors="replace")
    for name, pattern, found in (
        (RATINGS_NAME, _RATINGS_OF_README, ratings),
        (MOVIES_NAME, _MOVIES_OF_README, movies),
    ):
        said = pattern.search(text)
        if said is None:
            continue
        number = _read_digits(said[1])
        if not 0 <= number <= found:
            raise MalformedSource(
                f"{directory / name} holds {found} records; {README_NAME} says "
                f"{_quote(said[1])[1:-1]}.",
                remedy=f"The file was cut off: download it again. To import a part on "
                f"purpose, remove {README_NAME}.",
                field=name,
            )


def _lines(
    path: Path, header: tuple[str, ...], advance: Callable[[int], None]
) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number and the fields of every record."""
    if not path.is_file():
        raise SourceNotFound(
            f"There is no file {path}.",
            remedy="Give the directory of an unpacked MovieLens release "
            "(https://grouplens.org/datasets/movielens/).",
            field=path.name,
        )
    told = 0
    begin = 1
    with (
        path.open("rb") as raw,
        io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text,
    ):
        reader = csv.reader(text, strict=True)
        try:
            if tuple(next(reader, ())) != header:
                raise _malformed(
                    path, 1, f"is not the header {','.join(header)}", "Restore the header."
                )
            begin = reader.line_num + 1
            for fields in reader:
                if len(fields) != len(header):
                    raise _malformed(
                        path,
                        begin,
                        f"has {len(fields)} fields, not {len(header)}: "
                        f"{_quote(','.join(fields))}",
                        "The line is cut off or badly quoted: fix it, or download again.",
                    )
                yield begin, fields
                begin = reader.line_num + 1
                if begin % _REPORT_EVERY == 0:
                    read = raw.tell()
                    advance(read - told)
                    told = read
        except csv.Error as error:
            raise _malformed(
                path, begin, f"is not CSV ({error})", "Fix it, or download again."
            ) from error
        except UnicodeDecodeError as error:
            # Text is decoded ahead of the lines.
            raise _malformed(
                path,
                begin,
                f"or one soon after is not UTF-8 ({error.reason})",
                "Convert the file to UTF-8, or download again.",
            ) from error
        advance(path.stat().st_size - told)


def _read_id(path: Path, line: int, name: str, text: str) -> int:
    number = _read_digits(text)
    if number > LARGEST_ID or number < 0:
        raise _malformed(
            path,
            line,
            f"has the {name} {_quote(text)}",
            f"Ids are whole numbers from 0 to {LARGEST_ID}.",
        )
    return number


def _read_digits(text: str) -> int:
    """Return a number written in digits; -1 if it is not, or has more than an int64."""
    # str.isdecimal: int() would also take "1_000" and " 7"; and refuses thousands of digits.
    if not (text.isascii() and text.isdecimal()):
        return -1
    digits = text.lstrip("0")
    return int(digits or "0") if len(digits) <= _MOST_DIGITS else -1


def _read_stars(path: Path, line: int, text: str) -> float:
    if text not in _STARS:
        raise _malformed(
            path,
            line,
            f"has the rating {_quote(text)}",
            "Ratings are 0.5 to 5.0 in half stars.",
        )
    return _STARS[text]


_STARS: Final = {
    text: halves / 2 for halves in range(1, 11) for text in (f"{halves / 2}", f"{halves / 2:g}")
}


def _read_time(path: Path, line: int, text: str) -> int:
    seconds = _read_digits(text)
    if not EARLIEST_SECONDS <= seconds < LATEST_SECONDS:
        raise _malformed(
            path,
            line,
            f"has the timestamp {_quote(text)}",
            "Timestamps are seconds since 1970, from "
            f"{format_moment(EARLIEST_SECONDS * SECOND_MICROS)[:4]} on; if this is the last "
            "line, the file is cut off: download it again.",
        )
    return seconds


def _read_texts(path: Path, line: int, text: str) -> tuple[str, ...]:
    if text == _NO_GENRES:
        return ()
    genres = text.split("|")
    if not all(genre.strip() == genre != "" for genre in genres) or (
        len(set(genres)) != len(genres)
    ):
        raise _malformed(
            path,
            line,
            f"has the genres {_quote(text)}",
            f"Separate them by |, without spaces, or say {_NO_GENRES}.",
        )
    return tuple(genres)


def _refuse_second_ratings(path: Path, ratings: Ratings) -> None:
    order = np.lexsort((ratings.lines, ratings.movie_ids, ratings.user_ids))
    users, movies = ratings.user_ids[order], ratings.movie_ids[order]
    again = np.flatnonzero((np.diff(users) == 0) & (np.diff(movies) == 0)) + 1
    if len(again):
        line = int(ratings.lines[order[again]].min())
        place = int(np.flatnonzero(ratings.lines == line)[0])
        raise _malformed(
            path,
            line,
            f"is a second rating of movie {ratings.movie_ids[place]} by user "
            f"{ratings.user_ids[place]}",
            "Keep one of the lines.",
        )


def _quote(text: str) -> str:
    """Return a value as a message shows it: quoted, and cut off where it is long."""
    if len(text) <= _LONGEST_QUOTE:
        return repr(text)
    return f"{text[:_LONGEST_QUOTE]!r}... ({len(text)} characters)"


def _malformed(path: Path, line: int, problem: str, remedy: str) -> MalformedSource:
    return MalformedSource(f"Line {line} of {path} {problem}.", remedy=remedy, field=path.name)
