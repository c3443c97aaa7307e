"""Small MovieLens releases, written by the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

MOVIES = (
    "1,Toy Story (1995),Adventure|Animation|Comedy",
    '2,"American President, The (1995)",Comedy|Drama',
    '3,"He said ""Go"" (2006–2007)",Thriller',  # noqa: RUF001 - the data has en dashes
    "4,Babylon 5,(no genres listed)",
)
RATINGS = ("7,2,4.5,964982703", "7,1,4.0,964981247", "3,1,0.5,1000000000", "3,4,5,1000000060")
"""Not in the order of time, nor of members."""


@pytest.fixture
def write_release(tmp_path: Path) -> Callable[..., Path]:
    """Write the files of a release, from lines below their headers; return its folder."""

    def write(movies: Sequence[str] = MOVIES, ratings: Sequence[str] = RATINGS) -> Path:
        folder = tmp_path / "release"
        folder.mkdir()
        for name, lines in (
            ("movies.csv", ["movieId,title,genres", *movies]),
            ("ratings.csv", ["userId,movieId,rating,timestamp", *ratings]),
        ):
            (folder / name).write_text("".join(f"{line}\n" for line in lines), "utf-8")
        return folder

    return write
