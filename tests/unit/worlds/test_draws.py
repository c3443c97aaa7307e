"""Draws by name."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from worlds.draws import Draws

IDS = st.lists(st.integers(0, 2**62), min_size=1, max_size=20, unique=True)


@given(st.integers(0, 2**31), IDS, st.integers(0, 2**62))
def test_what_an_entity_draws_does_not_depend_on_the_others(
    seed: int, ids: list[int], other: int
) -> None:
    draws = Draws(seed)
    alone = [float(draws.uniform("country", np.array([entity]))[0]) for entity in ids]
    together = draws.uniform("country", np.array([other, *reversed(ids)]))
    assert together[1:].tolist() == alone[::-1]


@given(st.integers(0, 2**31), IDS, st.integers(-5, 5), st.integers(0, 9))
def test_draws_stay_within_their_bounds(seed: int, ids: list[int], low: int, more: int) -> None:
    draws = Draws(seed)
    shares = draws.uniform("any", np.array(ids))
    integers = draws.integers("any", low, low + more, np.array(ids))
    assert np.all((shares >= 0) & (shares < 1))
    assert np.all((integers >= low) & (integers <= low + more))


def test_choices_follow_their_weights() -> None:
    ids = np.arange(100_000)
    places = Draws(7).choices("country", (0.5, 0.0, 0.3, 0.2), ids)
    shares = np.bincount(places, minlength=4) / len(ids)
    np.testing.assert_allclose(shares, (0.5, 0.0, 0.3, 0.2), atol=0.01)


def test_seed_purpose_and_every_id_matter() -> None:
    ids = np.arange(1000)
    drawn = [
        Draws(1).uniform("country", ids),
        Draws(2).uniform("country", ids),
        Draws(1).uniform("plan", ids),
        Draws(1).uniform("country", ids, ids),
        Draws(1).uniform("country", ids, ids + 1),
    ]
    for place, column in enumerate(drawn):
        for other in drawn[:place]:
            assert np.all(column != other)


def test_draws_are_the_same_on_every_machine() -> None:
    drawn = Draws(1).uniform("country", np.array([0, 1, 610]))
    assert drawn.tolist() == [0.9530229558603492, 0.5330902296532704, 0.868170421498491]
