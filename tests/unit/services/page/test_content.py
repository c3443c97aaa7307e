"""The content space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.page.inputs import GENRES as GENRES_NAME
from services.page.inputs import YEAR
from services.shared_facts.content import content_fields, era_of
from services.shared_facts.content_index import UNKNOWN_YEAR, ContentIndex
from tests.support.pages.content_vectors import content_vectors
from timetravel.reading.reader import CatalogueRows

if TYPE_CHECKING:
    from timetravel.facts.model import JsonValue

GENRES = st.lists(st.sampled_from("ABCDE"), max_size=4).map(tuple)
VIDEOS = st.lists(st.tuples(GENRES, st.none() | st.integers(1900, 2030)), max_size=8)


@given(VIDEOS)
def test_vectors_have_unit_length_or_are_zero(
    videos: list[tuple[tuple[str, ...], int | None]],
) -> None:
    genres, years = [video[0] for video in videos], [video[1] for video in videos]
    vectors = content_vectors(content_fields(genres, years), genres, years)
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    known = np.array([bool(own) or year is not None for own, year in videos], np.bool_)
    np.testing.assert_allclose(lengths, known.astype(np.float64), rtol=1e-6)


@given(VIDEOS, VIDEOS)
def test_further_fields_change_no_value(
    videos: list[tuple[tuple[str, ...], int | None]],
    others: list[tuple[tuple[str, ...], int | None]],
) -> None:
    genres, years = [video[0] for video in videos], [video[1] for video in videos]
    fields = content_fields(genres, years)
    more = content_fields(
        [*genres, *(video[0] for video in others)], [*years, *(video[1] for video in others)]
    )
    vectors = content_vectors(more, genres, years)
    kept = [more.index(name) for name in fields]
    np.testing.assert_array_equal(vectors[:, kept], content_vectors(fields, genres, years))


def test_a_video_lies_at_its_genres_and_its_decade() -> None:
    fields = ("genre:Drama", "era:1990", "genre:War")
    vectors = content_vectors(fields, [("War", "Western"), ("Drama",)], [1994, None])
    half = np.float32(1) / np.sqrt(np.float32(2))
    np.testing.assert_array_equal(vectors, [[0, half, half], [1, 0, 0]])


LISTING = st.dictionaries(
    st.integers(0, 6) | st.just(2**63 - 1),
    st.tuples(GENRES, st.none() | st.integers(1990, 2010)),
    max_size=5,
)


@given(st.lists(LISTING, max_size=5).map(lambda some: [*some, {}, {3: (("A",), None)}]))
def test_listings_one_after_another_are_numbered_as_each_by_itself(
    listings: list[dict[int, tuple[tuple[str, ...], int | None]]],
) -> None:
    index = ContentIndex()
    for version, listing in enumerate(listings):
        ids = sorted(listing)
        columns: dict[str, list[JsonValue]] = {
            GENRES_NAME: [list(listing[video][0]) for video in ids],
            YEAR: [listing[video][1] for video in ids],
        }
        found = index.number(
            CatalogueRows(str(version), np.array(ids, np.int64), columns, version, version)
        )
        contents = index.contents()
        for place, video in enumerate(ids):
            genres, year = listing[video]
            assert contents[found.numbers[place]] == (tuple(sorted(genres)), era_of(year))
            assert found.years[place] == (UNKNOWN_YEAR if year is None else year)
