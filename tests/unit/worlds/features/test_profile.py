"""Features of profiles, against values worked out by hand."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.page.inputs import PROFILE_GENRE_AFFINITY, PROFILE_TASTE
from tests.support.facts.member_events import NOW, Deed, as_events
from timetravel.facts.model import EventKind
from worlds.features.content import VideoContent
from worlds.features.events import liking
from worlds.features.fixed_point import to_floats
from worlds.features.jobs import ProfileJob
from worlds.features.registry import PROFILE_ACTIVITY, FeatureSpaces

if TYPE_CHECKING:
    from random import Random

RATING, THUMB, LIST = EventKind.RATING, EventKind.THUMB, EventKind.LIST

SPACES: Final = FeatureSpaces(
    ("FR", "US"),
    ("genre:Comedy", "genre:Drama"),
    ("era:1990", "era:2000", "genre:Comedy", "genre:Drama"),
)
CRIME_OF_1994, FUNNY_AND_SAD, COMEDY_OF_2001, UNKNOWN = 10, 11, 12, 99
CONTENT: Final = VideoContent.describe(
    SPACES,
    np.array([CRIME_OF_1994, FUNNY_AND_SAD, COMEDY_OF_2001]),
    [("Crime", "Drama"), ("Comedy", "Drama"), ("Comedy",)],
    [1994, None, 2001],
)
"""No feature field says Crime; of the second the year is not known."""


def compute(group: str, *deeds: Deed, profiles: int = 1) -> list[list[float]]:
    job = ProfileJob(as_events(*deeds), np.arange(1, profiles + 1), CONTENT)
    values: list[list[float]] = job.compute(SPACES, NOW)[group].tolist()
    return values


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (RATING, 5.0, 1.0),
        (RATING, 3.0, 0.0),
        (RATING, 2.0, -0.5),
        (RATING, 0.5, -1.0),
        (EventKind.PLAY, 1.0, 1.0),
        (EventKind.PLAY, 0.65, 0.5),
        (EventKind.PLAY, 0.0, -3 / 7),
        (THUMB, 1.0, 1.0),
        (THUMB, -1.0, -1.0),
        (LIST, 1.0, 0.5),
        (LIST, 0.0, 0.0),
        (EventKind.IMPRESSION, float("nan"), 0.0),
    ],
)
def test_what_is_done_says_how_much_is_liked(
    kind: EventKind, value: float, expected: float
) -> None:
    said = to_floats(liking(as_events(Deed(1, 0, 0.0, kind, value))))
    assert said.tolist() == pytest.approx([expected], abs=2**-20)


def test_affinity_is_the_mean_liking_of_a_genre_among_five_that_say_nothing() -> None:
    ((comedy, drama),) = compute(
        PROFILE_GENRE_AFFINITY,
        Deed(1, CRIME_OF_1994, 1.0, RATING, 5.0),
        Deed(1, FUNNY_AND_SAD, 400.0, RATING, 2.0),
        Deed(1, COMEDY_OF_2001, 1.0, LIST, 1.0),
        Deed(1, UNKNOWN, 1.0, RATING, 5.0),
    )
    assert comedy == np.float32((-0.5 + 0.5) / (2 + 5))
    assert drama == np.float32((1 - 0.5) / (2 + 5))


def test_what_nobody_has_said_anything_of_is_neither_liked_nor_disliked() -> None:
    seen = Deed(1, COMEDY_OF_2001, 1.0, EventKind.IMPRESSION, float("nan"))
    assert compute(PROFILE_GENRE_AFFINITY, seen) == [[0, 0]]
    assert compute(PROFILE_TASTE, seen) == [[0, 0, 0, 0]]


def test_taste_points_to_what_is_liked() -> None:
    (taste,) = compute(PROFILE_TASTE, Deed(1, COMEDY_OF_2001, 0.0, RATING, 5.0))
    assert taste == pytest.approx([0, sqrt(1 / 2), sqrt(1 / 2), 0], abs=1e-5)
    (taste,) = compute(PROFILE_TASTE, Deed(1, COMEDY_OF_2001, 0.0, RATING, 1.0))
    assert taste == pytest.approx([0, -sqrt(1 / 2), -sqrt(1 / 2), 0], abs=1e-5)


def test_what_was_liked_weighs_half_after_180_days() -> None:
    (taste,) = compute(
        PROFILE_TASTE,
        Deed(1, COMEDY_OF_2001, 0.0, RATING, 5.0),
        Deed(1, CRIME_OF_1994, 180.0, RATING, 5.0),
    )
    # (1/2, 1, 1, 1/2) / sqrt(2), before it is scaled to unit length.
    assert taste == pytest.approx(
        [0.5 / sqrt(2.5), *[1 / sqrt(2.5)] * 2, 0.5 / sqrt(2.5)], abs=1e-5
    )


@pytest.mark.parametrize("stars", [1.0, 5.0])
def test_what_was_said_twenty_half_lives_ago_says_nothing_any_more(stars: float) -> None:
    assert compute(PROFILE_TASTE, Deed(1, 12, 3600.0, RATING, stars)) == [[0, 0, 0, 0]]
    assert compute(PROFILE_TASTE, Deed(1, 12, 3000.0, RATING, stars)) != [[0, 0, 0, 0]]


def test_every_field_of_a_video_counts_alike() -> None:
    (taste,) = compute(
        PROFILE_TASTE,
        Deed(1, COMEDY_OF_2001, 0.0, RATING, 5.0),
        Deed(1, FUNNY_AND_SAD, 0.0, RATING, 5.0),
    )
    # (0, 1, 2, 1) / sqrt(2): each of the two has two fields.
    assert taste == pytest.approx([0, 1 / sqrt(6), 2 / sqrt(6), 1 / sqrt(6)], abs=1e-5)


def test_activity_counts_windows_their_mean_and_the_last_pause() -> None:
    ((week, month, ever, mean, pause),) = compute(
        PROFILE_ACTIVITY,
        Deed(1, UNKNOWN, 40.0, RATING, 5.0),
        Deed(1, COMEDY_OF_2001, 7.0, RATING, 4.0),
        Deed(1, COMEDY_OF_2001, 1.5, THUMB, -1.0),
        Deed(1, COMEDY_OF_2001, 0.0, EventKind.IMPRESSION, float("nan")),
    )
    assert (week, month, ever) == (1, 2, 3)
    assert mean == np.float32((1 + 0.5 - 1) / 3)
    assert pause == 5.5


@pytest.mark.parametrize(("deeds", "ever"), [((), 0), ((Deed(1, 10, 3.0),), 1)])
def test_there_is_no_pause_before_a_second_event(deeds: tuple[Deed, ...], ever: int) -> None:
    ((*_, found, _, pause),) = compute(PROFILE_ACTIVITY, *deeds)
    assert found == ever
    assert np.isnan(pause)


@pytest.mark.parametrize("group", [PROFILE_GENRE_AFFINITY, PROFILE_TASTE, PROFILE_ACTIVITY])
def test_the_future_and_others_change_nothing(group: str) -> None:
    own = (Deed(1, CRIME_OF_1994, 3.0), Deed(1, FUNNY_AND_SAD, 1.0, RATING, 4.0))
    later = Deed(1, COMEDY_OF_2001, -1e-6, RATING, 5.0)
    alone = compute(group, *own)
    other = Deed(2, COMEDY_OF_2001, 1.0)
    assert compute(group, later, *own, other, profiles=2)[:1] == alone


@given(
    st.lists(
        st.builds(
            Deed,
            st.integers(1, 3),
            st.sampled_from((CRIME_OF_1994, FUNNY_AND_SAD, COMEDY_OF_2001, UNKNOWN)),
            st.integers(0, 5000).map(float),
            st.sampled_from((RATING, EventKind.PLAY, THUMB)),
            st.sampled_from((-1.0, 0.3, 0.5, 1.0, 3.5, 5.0)),
        ),
        max_size=20,
    ),
    st.randoms(use_true_random=False),
)
def test_the_order_of_events_changes_no_bit(deeds: list[Deed], random: Random) -> None:
    shuffled = list(deeds)
    random.shuffle(shuffled)
    for group in (PROFILE_GENRE_AFFINITY, PROFILE_TASTE):
        assert compute(group, *deeds, profiles=3) == compute(group, *shuffled, profiles=3)
    lengths = np.linalg.norm(compute(PROFILE_TASTE, *deeds, profiles=3), axis=1)
    assert np.all(np.isclose(lengths, 1, atol=1e-5) | (lengths == 0))
