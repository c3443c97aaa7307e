"""The files of a MovieLens release: what they say, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from core.moments import parse_moment
from worlds.errors import MalformedSource, SourceNotFound
from worlds.movielens.source import Movie, check_readme, read_movies, read_ratings
from worlds.movielens.titles import split_title

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    WriteRelease = Callable[..., Path]


def ignore(_bytes: int) -> None:
    """Take progress, and do nothing."""


def test_films_are_read_with_quotes_and_without_year_or_genres(
    write_release: WriteRelease,
) -> None:
    assert read_movies(write_release(), ignore) == (
        Movie(1, "Toy Story", 1995, ("Adventure", "Animation", "Comedy")),
        Movie(2, "American President, The", 1995, ("Comedy", "Drama")),
        Movie(3, 'He said "Go"', 2006, ("Thriller",)),
        Movie(4, "Babylon 5", None, ()),
    )


def test_ratings_are_read_in_the_order_of_the_file(write_release: WriteRelease) -> None:
    ratings = read_ratings(write_release(), ignore)
    assert ratings.user_ids.tolist() == [7, 7, 3, 3]
    assert ratings.movie_ids.tolist() == [2, 1, 1, 4]
    assert ratings.stars.tolist() == [4.5, 4.0, 0.5, 5.0]
    assert ratings.rated_at[0] == parse_moment("2000-07-30T18:45:03Z")
    assert ratings.lines.tolist() == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("text", "title", "year"),
    [
        ("Toy Story (1995)", "Toy Story", 1995),
        ("Toy Story (1995) ", "Toy Story", 1995),
        ("2001: A Space Odyssey (1968)", "2001: A Space Odyssey", 1968),
        ("Shanghai Triad (Yao a yao) (1995)", "Shanghai Triad (Yao a yao)", 1995),
        ("Death Note (2006-2007)", "Death Note", 2006),
        ("Moonlight (2007–)", "Moonlight", 2007),  # noqa: RUF001 - the data has en dashes
        ("Harbour Office (2009– )", "Harbour Office", 2009),  # noqa: RUF001 - as the data has it
        ("Small Hours (1999 - 2003)", "Small Hours", 1999),
        ("Small Hours (1999—2003)", "Small Hours", 1999),
        ("Small Hours (1999-03)", "Small Hours", 1999),
        ("The Tin Kite (1983))", "The Tin Kite", 1983),
        ("Plain Road ( 1990 ) ", "Plain Road", 1990),
        ("Plain Road(1990)", "Plain Road", 1990),
        ("Two\nLines (1990)", "Two\nLines", 1990),
        ("Night Ferry (1957) (The Last Boat)", "Night Ferry (The Last Boat)", 1957),
        ("Remade (1957) (1990)", "Remade (1957)", 1990),
        ("Night (1957) of the Ferry", "Night (1957) of the Ferry", None),
        ("Year 3000 (3000)", "Year 3000 (3000)", None),
        ("Arabic digits (١٩٩٠)", "Arabic digits (١٩٩٠)", None),
        ("Backwards (-1990)", "Backwards (-1990)", None),
        ("Half (1990", "Half (1990", None),
        ("Month (1990-1991-1992)", "Month (1990-1991-1992)", None),
        ("", "", None),
        ("1984", "1984", None),
        ("(500) Days", "(500) Days", None),
        ("(1995)", "(1995)", None),
        ("Year 12345 (12345)", "Year 12345 (12345)", None),
    ],
)
def test_a_title_is_told_from_its_year(text: str, title: str, year: int | None) -> None:
    assert split_title(text) == (title, year)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("7,3,4.2,964982703", "has the rating '4.2'"),
        ("7,3,0,964982703", "has the rating '0'"),
        ("7,3,nan,964982703", "has the rating 'nan'"),
        ("7,3,,964982703", "has the rating ''"),
        ("seven,3,4.0,964982703", "has the userId 'seven'"),
        ("7,-3,4.0,964982703", "has the movieId '-3'"),
        ("7,1_0,4.0,964982703", "has the movieId '1_0'"),
        ("7,3,4.0,96498270", "has the timestamp '96498270'"),
        ("7,3,4.0,9649827030", "has the timestamp '9649827030'"),
        ("7,3,4.0", "has 3 fields, not 4"),
        ("7,3,4.0,964982703,good", "has 5 fields, not 4"),
        ('7,3,"4.0"x,964982703', "is not CSV"),
        ("7,2,1.0,964999999", "is a second rating of movie 2 by user 7"),
    ],
)
def test_a_bad_rating_is_refused_with_file_line_and_value(
    write_release: WriteRelease, line: str, told: str
) -> None:
    folder = write_release(ratings=("7,2,4.5,964982703", line, "3,1,0.5,1000000000"))
    with pytest.raises(MalformedSource) as caught:
        read_ratings(folder, ignore)
    assert f"Line 3 of {folder / 'ratings.csv'} {told}" in str(caught.value)
    assert caught.value.field == "ratings.csv"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("1,Another (1999),Drama", "lists movieId 1 a second time"),
        ("5,  ,Drama", "has the title '  '"),
        ("5,Twice (1999),Drama|Drama", "has the genres 'Drama|Drama'"),
        ("5,None (1999),", "has the genres ''"),
        ("5,Spaced (1999),Drama | Comedy", "has the genres 'Drama | Comedy'"),
        ("5,Blank (1999),Drama| ", "has the genres 'Drama| '"),
        ("5,Cut off (1999", "has 2 fields, not 3"),
    ],
)
def test_a_bad_film_is_refused_with_file_line_and_value(
    write_release: WriteRelease, line: str, told: str
) -> None:
    folder = write_release(movies=("1,Toy Story (1995),Comedy", line))
    with pytest.raises(MalformedSource) as caught:
        read_movies(folder, ignore)
    assert f"Line 3 of {folder / 'movies.csv'} {told}" in str(caught.value)


LONG = "9" * 5_000
TOLD = f"'{'9' * 80}'... (5000 characters)"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (f"{LONG},3,4.0,964982703", f"has the userId {TOLD}"),
        (f"7,{LONG},4.0,964982703", f"has the movieId {TOLD}"),
        (f"7,3,4.0,{LONG}", f"has the timestamp {TOLD}"),
        (f"7,3,{LONG},964982703", f"has the rating {TOLD}"),
        (f"7,3,4.0,{'0' * 5_000}", f"has the timestamp {TOLD.replace('9', '0')}"),
        (f"{LONG}x,3,4.0,964982703", "(5001 characters)"),
        (f"-{LONG},3,4.0,964982703", "(5001 characters)"),
        (f"{2**63},3,4.0,964982703", "has the userId '9223372036854775808'"),
        (f"7,{10**19},4.0,964982703", "has the movieId '10000000000000000000'"),
        (f"7,3,4.0,{10**19}", "has the timestamp '10000000000000000000'"),
        ("\u0667,3,4.0,964982703", "has the userId '\u0667'"),
        (LONG, "has 1 fields, not 4: " + TOLD),
    ],
)
def test_a_number_of_too_many_digits_is_refused_with_file_line_and_value(
    write_release: WriteRelease, line: str, told: str
) -> None:
    folder = write_release(ratings=("7,2,4.5,964982703", line))
    with pytest.raises(MalformedSource) as caught:
        read_ratings(folder, ignore)
    assert f"Line 3 of {folder / 'ratings.csv'} has" in str(caught.value)
    assert told in str(caught.value)
    assert len(str(caught.value)) < 1_000


def test_zeros_in_front_do_not_make_an_id_another(write_release: WriteRelease) -> None:
    folder = write_release(
        movies=(f"{'0' * 5_000}1,Toy Story (1995),Comedy", f"{LONG},Too long,Comedy"),
        ratings=(f"{'0' * 5_000}7,{2**63 - 1},4.5,964982703", "000,0,4.5,964982703"),
    )
    ratings = read_ratings(folder, ignore)
    assert ratings.user_ids.tolist() == [7, 0]
    assert ratings.movie_ids.tolist() == [2**63 - 1, 0]
    with pytest.raises(MalformedSource, match=r"Line 3 of .*movies\.csv has the movieId '9+'"):
        read_movies(folder, ignore)


def test_films_without_any_genre_make_no_world(write_release: WriteRelease) -> None:
    folder = write_release(movies=("1,A (1990),(no genres listed)", "2,B,(no genres listed)"))
    with pytest.raises(MalformedSource, match=r"movies\.csv names no genre of any film"):
        read_movies(folder, ignore)


def test_a_readme_may_claim_any_number(write_release: WriteRelease) -> None:
    folder = write_release()
    (folder / "README.txt").write_text(f"It contains {LONG} ratings.\n")
    with pytest.raises(MalformedSource, match=r"README\.txt says 9+"):
        check_readme(folder, ratings=4, movies=4)


def test_lines_are_counted_across_titles_that_span_several(
    write_release: WriteRelease,
) -> None:
    folder = write_release(movies=('1,"Toy\nStory (1995)",Comedy', "1,Again (1996),Comedy"))
    with pytest.raises(MalformedSource, match=r"Line 4 of .*movies\.csv lists movieId 1"):
        read_movies(folder, ignore)


def test_a_file_without_records_or_header_is_refused(write_release: WriteRelease) -> None:
    folder = write_release(movies=(), ratings=())
    with pytest.raises(MalformedSource, match="holds no film"):
        read_movies(folder, ignore)
    with pytest.raises(MalformedSource, match="holds no rating"):
        read_ratings(folder, ignore)
    (folder / "ratings.csv").write_text("7,2,4.5,964982703\n")
    with pytest.raises(MalformedSource, match=r"Line 1 of .* is not the header"):
        read_ratings(folder, ignore)


def test_text_that_is_not_utf_8_is_refused(write_release: WriteRelease) -> None:
    folder = write_release()
    (folder / "movies.csv").write_bytes(b"movieId,title,genres\n1,Am\xe9lie (2001),Comedy\n")
    with pytest.raises(MalformedSource, match="not UTF-8"):
        read_movies(folder, ignore)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match=r"no file .*movies\.csv"):
        read_movies(tmp_path, ignore)


def test_a_release_shorter_than_its_readme_says_was_cut_off(
    write_release: WriteRelease,
) -> None:
    folder = write_release()
    check_readme(folder, ratings=4, movies=4)
    (folder / "README.txt").write_text("It contains 5 ratings across 4 movies.\n")
    check_readme(folder, ratings=5, movies=4)
    with pytest.raises(MalformedSource, match=r"holds 4 records; README\.txt says 5"):
        check_readme(folder, ratings=4, movies=4)


def test_progress_adds_up_to_the_bytes_of_the_file(write_release: WriteRelease) -> None:
    ratings = [f"{user},1,3.0,{964982703 + user}" for user in range(25_000)]
    folder = write_release(ratings=ratings)
    told: list[int] = []
    read_ratings(folder, told.append)
    assert sum(told) == (folder / "ratings.csv").stat().st_size
    assert len(told) > 1
