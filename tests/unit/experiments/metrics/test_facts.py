"""Facts beside the pages: plays in their window, licences at their moment."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.metrics.definitions.columns import NO_LIMIT, NOT_ADDED, UNRATED
from experiments.metrics.errors import InvalidMetricOptions
from experiments.metrics.inputs.facts import PageFacts
from experiments.metrics.inputs.played import EngagementWindow, find_played_next
from tests.oracle.in_memory import InMemoryFacts
from tests.support.effort import effort
from tests.support.pages.page_worlds import DAY, START
from timetravel.facts.model import (
    AttributeFact,
    AvailabilityFact,
    EntityKind,
    EventFact,
    EventKind,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from timetravel.facts.model import JsonValue
    from timetravel.reading.reader import FactReader

HOUR = DAY // 24


def _plays(*plays: tuple[int, int, int, EventKind]) -> FactReader:
    known = InMemoryFacts()
    known.append(
        [
            EventFact(str(number), profile, at, kind, video, 1.0, at)
            for number, (profile, at, video, kind) in enumerate(plays)
        ]
    )
    return known.as_of()


def _found(
    reader: FactReader,
    pages: Sequence[tuple[int, int]],
    shown: Sequence[tuple[int, int]],
    window: EngagementWindow,
) -> set[tuple[int, int, int]]:
    """Return profile, moment and video of everything played next."""
    asked, logged = (np.array(keys, np.int64).reshape(-1, 2) for keys in (pages, shown))
    played = find_played_next(
        reader, asked[:, 0], asked[:, 1], logged[:, 0], logged[:, 1], window
    )
    found = [
        (*page, video)
        for page, (first, last) in zip(pages, pairwise(played.starts), strict=True)
        for video in played.video_ids[first:last].tolist()
    ]
    assert len(set(found)) == len(found)
    return set(found)


def test_only_plays_and_ratings_after_the_page_and_within_the_horizon_count() -> None:
    reader = _plays(
        (1, 10 * HOUR, 100, EventKind.PLAY),  # at the moment of the page: known to it
        (1, 11 * HOUR, 101, EventKind.PLAY),
        (1, 12 * HOUR, 102, EventKind.RATING),
        (1, 12 * HOUR, 103, EventKind.LIST),
        (1, 34 * HOUR, 104, EventKind.PLAY),
        (1, 34 * HOUR + 1, 105, EventKind.PLAY),
        (2, 11 * HOUR, 106, EventKind.PLAY),
    )
    page = (1, 10 * HOUR)
    found = _found(reader, [page], [page], EngagementWindow())
    assert found == {(*page, 101), (*page, 102), (*page, 104)}


def test_a_play_belongs_to_the_last_page_before_it() -> None:
    reader = _plays((1, 11 * HOUR, 101, EventKind.PLAY), (1, 13 * HOUR, 102, EventKind.PLAY))
    page = (1, 10 * HOUR)
    shown = [page, (1, 12 * HOUR), (2, 10 * HOUR + 1)]
    assert _found(reader, [page], shown, EngagementWindow()) == {(*page, 101)}


_moments = st.integers(0, 30).map(lambda hours: hours * HOUR)


@settings(max_examples=effort(15, 100), deadline=None)
@given(
    plays=st.lists(st.tuples(st.integers(1, 3), _moments, st.integers(1, 4))),
    pages=st.lists(st.tuples(st.integers(1, 3), _moments), unique=True),
    others=st.lists(st.tuples(st.integers(1, 3), _moments)),
)
def test_windows_equal_their_plain_definition(
    plays: list[tuple[int, int, int]],
    pages: list[tuple[int, int]],
    others: list[tuple[int, int]],
) -> None:
    window = EngagementWindow(6 * HOUR)
    shown = [*pages, *others]
    expected = set()
    for profile, moment in pages:
        following = [at for who, at in shown if who == profile and at > moment]
        end = min([moment + 6 * HOUR, *following])
        expected |= {
            (profile, moment, video)
            for who, at, video in plays
            if who == profile and moment < at <= end
        }
    reader = _plays(*((who, at, video, EventKind.PLAY) for who, at, video in plays))
    assert _found(reader, pages, shown, window) == expected


def _videos(*facts: AttributeFact | AvailabilityFact) -> PageFacts:
    known = InMemoryFacts()
    known.append(list(facts))
    return PageFacts(known.as_of())


def _video(video_id: int, name: str, value: JsonValue, at: int = START) -> AttributeFact:
    return AttributeFact(EntityKind.VIDEO, video_id, name, at, at, value)


def test_a_licence_counts_where_and_when_it_holds() -> None:
    facts = _videos(
        _video(1, "title", "A"),
        _video(8, "title", "B"),
        AvailabilityFact("w", 1, "US", START, START + 20 * DAY, START),
    )
    moments = [START + day * DAY for day in (10, 10, 10, 21)]
    countries = ["US", "FR", None, "US"]
    found = facts.read(np.arange(4), np.array(moments), countries, np.array([8, 999, 1]))
    licensed = found.is_licensed[found.licences_of]
    assert licensed.tolist() == [[False, False, True], *[[False] * 3] * 3]


def test_what_was_known_of_a_video_is_that_of_the_moment() -> None:
    facts = _videos(
        _video(7, "genres", ["Drama", "Crime"]),
        _video(7, "genres", ["Drama"], START + 5 * DAY),
        _video(7, "maturity", 13, START + 5 * DAY),
        _video(7, "added_at", START),
    )
    moments = np.array([START + DAY, START + 6 * DAY])
    found = facts.read(np.arange(2), moments, ["US", "US"], np.array([3, 7]))
    genres = [
        [found.genre_starts[content + 1] - found.genre_starts[content] for content in contents]
        for contents in found.contents[found.catalogue_of]
    ]
    assert genres == [[0, 2], [0, 1]]
    assert found.maturity[found.catalogue_of].tolist() == [[UNRATED] * 2, [UNRATED, 13]]
    assert found.added_at[found.catalogue_of].tolist() == [[NOT_ADDED, START]] * 2
    assert found.maturity_limits.tolist() == [NO_LIMIT] * 2


def test_videos_without_a_popularity_group_have_no_plays() -> None:
    facts = _videos(_video(1, "genres", ["Drama"]))
    found = facts.read(np.arange(1), np.array([START]), ["US"], np.array([1]))
    assert found.log_plays.tolist() == [[0.0]]


def test_an_empty_horizon_is_refused() -> None:
    with pytest.raises(InvalidMetricOptions, match="24 hours"):
        EngagementWindow(0)
