"""Facts beside the pages: plays in their window, licences at their moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.metrics.errors import InvalidMetricOptions
from experiments.metrics.facts import (
    EngagementWindow,
    describe_videos,
    find_licensed,
    find_played_next,
)
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


def _pages(*pages: tuple[int, int]) -> pa.Table:
    return pa.table(
        {
            "page_id": [f"{profile}@{moment}" for profile, moment in pages],
            "profile_id": pa.array([profile for profile, _ in pages], pa.int64()),
            "as_of_micros": pa.array([moment for _, moment in pages], pa.int64()),
        }
    )


def _shown(*pages: tuple[int, int]) -> pa.Table:
    return pa.table(
        {
            "profile_id": pa.array([profile for profile, _ in pages], pa.int64()),
            "shown_at": pa.array([moment for _, moment in pages], pa.int64()),
        }
    )


def _found(table: pa.Table) -> set[tuple[str, int]]:
    return {(record["page_id"], record["video_id"]) for record in table.to_pylist()}


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
    found = find_played_next(reader, _pages(page), _shown(page), EngagementWindow())
    name = f"1@{10 * HOUR}"
    assert _found(found) == {(name, 101), (name, 102), (name, 104)}


def test_a_play_belongs_to_the_last_page_before_it() -> None:
    reader = _plays((1, 11 * HOUR, 101, EventKind.PLAY), (1, 13 * HOUR, 102, EventKind.PLAY))
    pages = _pages((1, 10 * HOUR))
    shown = _shown((1, 10 * HOUR), (1, 12 * HOUR), (2, 10 * HOUR + 1))
    name = f"1@{10 * HOUR}"
    found = find_played_next(reader, pages, shown, EngagementWindow())
    assert _found(found) == {(name, 101)}


def test_pages_of_one_moment_share_what_was_played() -> None:
    reader = _plays((1, 11 * HOUR, 101, EventKind.PLAY))
    pages = pa.table(
        {"page_id": ["tv", "phone"], "profile_id": [1, 1], "as_of_micros": [10 * HOUR] * 2}
    )
    found = find_played_next(reader, pages, _shown((1, 10 * HOUR)), EngagementWindow())
    assert _found(found) == {("tv", 101), ("phone", 101)}


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
            (f"{profile}@{moment}", video)
            for who, at, video in plays
            if who == profile and moment < at <= end
        }
    reader = _plays(*((who, at, video, EventKind.PLAY) for who, at, video in plays))
    found = find_played_next(reader, _pages(*pages), _shown(*shown), window)
    assert _found(found) == expected


def test_a_licence_counts_where_and_when_it_holds() -> None:
    ids = [1, 8]
    known = InMemoryFacts()
    known.append(
        [AttributeFact(EntityKind.VIDEO, video, "title", START, START, "A") for video in ids]
    )
    known.append([AvailabilityFact("w", ids[0], "US", START, START + 20 * DAY, START)])
    reader = known.as_of()
    asked = [
        (START + day * DAY, country, video)
        for day in (10, 21)
        for country in ("US", "FR")
        for video in (*ids, 999)
    ]
    shown = pa.table(
        {
            "as_of_micros": pa.array([moment for moment, _, _ in asked], pa.int64()),
            "country": pa.array([country for _, country, _ in asked]),
            "video_id": pa.array([video for _, _, video in asked], pa.int64()),
        }
    )
    assert find_licensed(reader, shown).to_pylist() == [
        {"as_of_micros": START + 10 * DAY, "country": "US", "video_id": ids[0]}
    ]


def test_videos_without_a_popularity_group_have_no_plays() -> None:
    known = InMemoryFacts()
    known.append([AttributeFact(EntityKind.VIDEO, 1, "genres", START, START, ["Drama"])])
    shown = pa.table({"as_of_micros": [START], "video_id": [1]})
    described = describe_videos(known.as_of(), shown).to_pylist()[0]
    assert described["plays"] is None
    assert described["genres"] == ["Drama"]


def test_an_empty_horizon_is_refused() -> None:
    with pytest.raises(InvalidMetricOptions, match="24 hours"):
        EngagementWindow(0)
