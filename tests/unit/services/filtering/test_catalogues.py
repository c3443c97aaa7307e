"""What filtering keeps of a catalogue, from one epoch to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.filtering.catalogue import CATALOGUE_ATTRIBUTES, FilteredCatalogues
from services.page.inputs import ADDED_AT, GENRES, MATURITY, REQUIRES, WITHDRAWN
from timetravel.reading.reader import CatalogueRows

if TYPE_CHECKING:
    from timetravel.facts.model import JsonValue

TEXTS = st.lists(st.sampled_from("abc"), max_size=2, unique=True)
VIDEO = st.fixed_dictionaries(
    {
        ADDED_AT: st.none() | st.integers(0, 3),
        GENRES: st.none() | TEXTS,
        MATURITY: st.none() | st.integers(0, 3) | st.just("old"),
        REQUIRES: st.none() | TEXTS,
        WITHDRAWN: st.none() | st.booleans() | st.just("no"),
    }
)
LISTING = st.dictionaries(st.integers(0, 6) | st.just(2**63 - 1), VIDEO, max_size=5)
UNREADABLE_AGE = 2**31 - 1


def read(listing: dict[int, dict[str, JsonValue]], version: int) -> CatalogueRows:
    ids = sorted(listing)
    columns = {name: [listing[video][name] for video in ids] for name in CATALOGUE_ATTRIBUTES}
    return CatalogueRows(str(version), np.array(ids, np.int64), columns, version, version)


@given(st.lists(LISTING, min_size=1, max_size=5))
def test_catalogues_one_after_another_say_what_each_says_by_itself(
    listings: list[dict[int, dict[str, JsonValue]]],
) -> None:
    catalogues = FilteredCatalogues()
    for version, listing in enumerate(listings):
        found = catalogues.make(read(listing, version))
        videos = [listing[video] for video in sorted(listing)]
        assert found.is_present.tolist() == [
            (video[ADDED_AT] is not None or video[MATURITY] is not None)
            and video[WITHDRAWN] in {None, False}
            for video in videos
        ]
        ages = {None: -1, "old": UNREADABLE_AGE}
        assert found.maturity.tolist() == [
            ages.get(video[MATURITY], video[MATURITY])  # type: ignore[arg-type]  # ages
            for video in videos
        ]
        for genre in "abc":
            assert found.members(genre).tolist() == [
                genre in list(video[GENRES] or ())  # type: ignore[arg-type]  # texts
                for video in videos
            ]
        for capabilities in (frozenset(""), frozenset("a"), frozenset("abc")):
            assert found.shown_by(capabilities).tolist() == [
                capabilities.issuperset(video[REQUIRES] or ())  # type: ignore[arg-type]  # texts
                for video in videos
            ]
