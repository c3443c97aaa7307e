"""Epochs: what does not change is read once."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.shared_facts.epochs import FOREVER_MICROS, Epoch, EpochCache, group_by_epoch


class Source:
    """Changes at the given moments; counts how often it is read."""

    def __init__(self, changes: list[int]) -> None:
        self.changes = sorted(set(changes))
        self.reads = 0

    def load(self, at: int) -> Epoch[int]:
        self.reads += 1
        epoch = bisect_right(self.changes, at)
        until = self.changes[epoch] if epoch < len(self.changes) else FOREVER_MICROS
        return Epoch(at, until, epoch)


CHANGES = st.lists(st.integers(0, 100), max_size=8)
MOMENTS = st.lists(st.integers(0, 120), min_size=1, max_size=20)


@given(CHANGES, MOMENTS, st.integers(1, 4))
def test_a_cache_answers_as_its_source_does(
    changes: list[int], moments: list[int], capacity: int
) -> None:
    source = Source(changes)
    cache = EpochCache(source.load, capacity=capacity)
    for moment in moments:
        epoch = cache.at(moment)
        assert epoch.covers(moment)
        assert epoch.value == bisect_right(source.changes, moment)


@given(CHANGES, MOMENTS)
def test_ascending_moments_read_every_epoch_once(
    changes: list[int], moments: list[int]
) -> None:
    source = Source(changes)
    cache = EpochCache(source.load, capacity=99)
    for moment in sorted(moments):
        cache.at(moment)
    assert source.reads == len({bisect_right(source.changes, moment) for moment in moments})


@given(CHANGES, MOMENTS)
def test_groups_hold_every_place_once_and_ascending(
    changes: list[int], moments: list[int]
) -> None:
    source = Source(changes)
    cache = EpochCache(source.load, capacity=99)
    groups = list(group_by_epoch(np.array(moments, np.int64), cache.at))
    for value, places in groups:
        assert list(places) == sorted(places)
        assert {bisect_right(source.changes, moments[place]) for place in places} == {value}
    assert sorted(np.concatenate([places for _, places in groups])) == list(range(len(moments)))


def test_a_momentary_answer_serves_its_moment_until_it_is_forgotten() -> None:
    reads: list[int] = []

    def load(at: int) -> Epoch[int]:
        reads.append(at)
        return Epoch(at, at, at)

    cache = EpochCache(load, capacity=4)
    assert [cache.at(5).value, cache.at(5).value, cache.at(6).value] == [5, 5, 6]
    assert reads == [5, 6]
    cache.forget(momentary_only=True)
    cache.at(5)
    assert reads == [5, 6, 5]
