"""Visits by moment and profile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from worlds.errors import MalformedWorld
from worlds.visits import Visits, read_visits

if TYPE_CHECKING:
    from pathlib import Path

PAIRS = st.sets(st.tuples(st.integers(0, 2**50), st.integers(0, 2**62)), max_size=30)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PAIRS)
def test_visits_given_in_any_order_come_back_in_order(
    tmp_path: Path, pairs: set[tuple[int, int]]
) -> None:
    shown_at = np.array([pair[0] for pair in pairs], np.int64)
    profile_ids = np.array([pair[1] for pair in pairs], np.int64)
    devices = tuple(f"device {pair}" for pair in pairs)
    Visits.sort(shown_at, profile_ids, devices).write(tmp_path / "visits.parquet")
    found = read_visits(tmp_path / "visits.parquet")
    assert list(zip(found.shown_at, found.profile_ids, strict=True)) == sorted(pairs)
    assert found.devices == tuple(f"device {pair}" for pair in sorted(pairs))


def test_visits_are_counted_up_to_and_including_a_moment() -> None:
    visits = Visits(np.array([10, 20, 20, 30]), np.array([1, 1, 2, 1]), ("tv",) * 4)
    assert [visits.count_until(moment) for moment in (9, 10, 20, 29, 30)] == [0, 1, 3, 3, 4]


@pytest.mark.parametrize(
    ("shown_at", "profile_ids"), [([20, 10], [1, 1]), ([10, 10], [2, 1]), ([10, 10], [1, 1])]
)
def test_visits_out_of_order_or_twice_are_refused(
    shown_at: list[int], profile_ids: list[int]
) -> None:
    with pytest.raises(MalformedWorld, match="not in order"):
        Visits(np.array(shown_at), np.array(profile_ids), ("tv", "tv"))


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(MalformedWorld, match="1 devices"):
        Visits(np.array([1, 2]), np.array([1, 2]), ("tv",))
