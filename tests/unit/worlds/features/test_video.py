"""Features of videos, against values worked out by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.facts.member_events import NOW, Deed, as_events
from timetravel.facts.model import EventKind
from worlds.durations import DAY_MICROS
from worlds.features.events import stars
from worlds.features.fixed_point import to_floats
from worlds.features.jobs import VideoJob
from worlds.features.registry import FeatureSpaces
from worlds.features.video import compute_popularity, compute_trending

if TYPE_CHECKING:
    from random import Random

MOMENT: Final = 1 / DAY_MICROS
"""A microsecond in days."""

DEEDS: Final = st.builds(
    Deed,
    st.integers(0, 3),
    st.integers(0, 4),
    st.integers(0, 500).map(float),
    st.sampled_from(EventKind),
    st.sampled_from((-1.0, 0.0, 0.5, 1.0)),
)


def popularity(*deeds: Deed, videos: int = 1) -> list[list[float]]:
    events = as_events(*deeds)
    found = compute_popularity(events, events.video_ids, videos, NOW)
    values: list[list[float]] = found.tolist()
    return values


def trending(*deeds: Deed, countries: tuple[int, ...]) -> list[list[float]]:
    events = as_events(*deeds)
    own = np.array(countries, np.int64)
    found = compute_trending(events, events.video_ids, own, (2, 2), NOW)
    values: list[list[float]] = found.tolist()
    return values


def test_each_window_counts_what_is_younger_than_it() -> None:
    ages = (0.0, 7 - MOMENT, 7.0, 28 - MOMENT, 28.0, 365 - MOMENT, 365.0, 4000.0)
    ((week, month, year, ever, _),) = popularity(*(Deed(1, 0, age) for age in ages))
    assert (week, month, year, ever) == (2, 4, 6, 8)


def test_plays_and_ratings_are_watching_and_nothing_else_is() -> None:
    ((*counts, _),) = popularity(*(Deed(1, 0, 1.0, kind) for kind in EventKind))
    assert counts == [2, 2, 2, 2]


def test_every_video_has_its_own_counts_and_those_never_watched_have_none() -> None:
    found = popularity(Deed(1, 2, 1.0), Deed(2, 2, 10.0), Deed(1, 0, 100.0), videos=3)
    assert [row[:4] for row in found] == [[0, 0, 1, 1], [0, 0, 0, 0], [1, 2, 2, 2]]


def test_the_mean_rating_leans_on_ten_opinions_of_three_and_a_half_stars() -> None:
    opinions = (
        Deed(1, 0, 900.0, EventKind.RATING, 5.0),
        Deed(2, 0, 1.0, EventKind.RATING, 2.0),
        Deed(3, 0, 1.0, EventKind.THUMB, 1.0),
        Deed(4, 0, 1.0, EventKind.PLAY, 0.1),
    )
    # (10 x 3.5 + 5 + 2 + 4.5) / 13; how long ago does not matter, and a play is not an opinion.
    assert popularity(*opinions)[0][4] == np.float32(46.5 / 13)
    disliked = Deed(1, 0, 1.0, EventKind.THUMB, -1.0)
    assert popularity(disliked)[0][4] == np.float32(36.5 / 11)
    assert popularity()[0][4] == 3.5


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (EventKind.RATING, 0.5, 0.5),
        (EventKind.RATING, 4.0, 4.0),
        (EventKind.THUMB, 1.0, 4.5),
        (EventKind.THUMB, -1.0, 1.5),
    ],
)
def test_opinions_are_stars(kind: EventKind, value: float, expected: float) -> None:
    assert to_floats(stars(as_events(Deed(1, 0, 0.0, kind, value)))).tolist() == [expected]


def test_what_trends_halves_each_week_and_is_over_after_four() -> None:
    ages = (0.0, 7 - MOMENT, 7.0, 14.0, 21.0, 28 - MOMENT, 28.0)
    found = trending(*(Deed(1, 0, age) for age in ages), countries=(0,) * len(ages))
    assert found == [[1 + 1 + 1 / 2 + 1 / 4 + 1 / 8 + 1 / 8, 0], [0, 0]]


def test_what_trends_in_one_country_need_not_in_another() -> None:
    deeds = (Deed(1, 0, 1.0), Deed(2, 0, 8.0), Deed(3, 1, 1.0), Deed(4, 1, 1.0))
    # Where the fourth lives is not known.
    assert trending(*deeds, countries=(0, 1, 1, -1)) == [[1, 0.5], [0, 1]]


def test_plays_and_ratings_trend_and_nothing_else_does() -> None:
    deeds = [Deed(1, 0, 1.0, kind) for kind in EventKind]
    assert trending(*deeds, countries=(0,) * len(deeds)) == [[2, 0], [0, 0]]


def test_the_future_and_videos_that_are_not_listed_change_nothing() -> None:
    spaces = FeatureSpaces(("FR", "US"), (), ())
    own = (Deed(1, 10, 0.0), Deed(2, 12, 8.0, EventKind.RATING, 5.0))
    more = (*own, Deed(1, 10, -MOMENT), Deed(1, 11, 1.0))

    def compute(*deeds: Deed) -> list[list[float]]:
        job = VideoJob(as_events(*deeds), np.zeros(len(deeds), np.int64), np.array([10, 12]))
        return np.hstack([*job.compute(spaces, NOW).values()]).tolist()  # type: ignore[no-any-return]

    assert compute(*more) == compute(*own)
    mean = float(np.float32(40 / 11))
    assert compute(*own) == [[1, 1, 1, 1, 3.5, 1, 0], [0, 1, 1, 1, mean, 0.5, 0]]


@given(st.lists(DEEDS, max_size=30), st.randoms(use_true_random=False))
def test_the_order_of_events_changes_no_bit(deeds: list[Deed], random: Random) -> None:
    shuffled = list(deeds)
    random.shuffle(shuffled)
    assert popularity(*deeds, videos=5) == popularity(*shuffled, videos=5)
