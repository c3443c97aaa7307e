"""Intervals and p values against scipy and against their formulas."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from experiments.metrics.statistics import (
    Summary,
    adjust_p_values,
    standard_error,
    summarise,
    t_interval,
    t_p_value,
)
from tests.support.effort import effort

if TYPE_CHECKING:
    from collections.abc import Sequence

p_values = st.lists(st.floats(0, 1, allow_nan=False), min_size=1, max_size=30)


def _summarise(profiles: Sequence[int], values: Sequence[float]) -> Summary:
    """Return what pages say of one group: each value is a page's."""
    members, owners = np.unique(np.array(profiles), return_inverse=True)
    pages, totals = np.zeros((len(members), 1), np.int32), np.zeros((len(members), 1))
    np.add.at(pages[:, 0], owners, 1)
    np.add.at(totals[:, 0], owners, values)
    return summarise(pages, totals, np.zeros(len(members), np.int64), 1).column(0)


def test_one_page_per_member_gives_the_paired_t_test() -> None:
    random = np.random.default_rng(3)
    treatment, control = random.normal(0.3, 1, 40), random.normal(0, 1, 40)
    summary = _summarise(range(40), list(treatment - control))
    low, high = t_interval(summary.mean, summary.error, summary.profiles)
    p_value = t_p_value(summary.mean, summary.error, summary.profiles)
    expected = stats.ttest_rel(treatment, control)
    interval = expected.confidence_interval(0.95)
    assert p_value[0] == pytest.approx(expected.pvalue)
    assert (low[0], high[0]) == pytest.approx((interval.low, interval.high))


def test_repeating_every_page_of_a_member_does_not_narrow_the_interval() -> None:
    values = [0.1, 0.5, -0.2, 0.9, 0.4]
    once = _summarise(range(5), values)
    members = [member for member in range(5) for _ in range(3)]
    thrice = _summarise(members, [values[member] for member in members])
    assert thrice.pages[0] == 15
    assert thrice.error[0] == pytest.approx(once.error[0])


@settings(max_examples=effort(25, 200), deadline=None)
@given(
    pages=st.lists(
        st.tuples(st.integers(0, 2), st.integers(1, 4), st.floats(-100, 100)), min_size=1
    )
)
def test_the_summary_equals_its_formula(pages: list[tuple[int, int, float]]) -> None:
    members = sorted({(group, member) for group, member, _ in pages})
    counts, totals = np.zeros((len(members), 1), np.int32), np.zeros((len(members), 1))
    for group, member, value in pages:
        counts[members.index((group, member))] += 1
        totals[members.index((group, member))] += value
    groups = np.array([group for group, _ in members])
    summary = summarise(counts, totals, groups, 3).column(0)
    for group in range(3):
        own = [(member, value) for other, member, value in pages if other == group]
        assert summary.pages[group] == len(own)
        if not own:
            assert np.isnan(summary.mean[group])
            continue
        mean = math.fsum(value for _, value in own) / len(own)
        sums = [
            math.fsum(value - mean for other, value in own if other == member)
            for member in {member for member, _ in own}
        ]
        assert summary.profiles[group] == len(sums)
        assert summary.mean[group] == pytest.approx(mean, abs=1e-9)
        squares = sum(total * total for total in sums)
        assert summary.squares[group] == pytest.approx(squares, abs=1e-6)


def test_where_no_page_differs_there_is_nothing_to_test() -> None:
    zero, many = np.zeros(1), np.array([50.0])
    assert np.isnan(t_p_value(zero, zero, many)[0])


@pytest.mark.parametrize("members", [2, 3, 6, 10])
def test_equal_differences_prove_no_more_than_flipping_their_signs_can(members: int) -> None:
    sums = [abs(sum(signs)) for signs in itertools.product((-1, 1), repeat=members)]
    as_far = sum(one >= members for one in sums) / len(sums)
    one, no_spread = np.ones(1), np.zeros(1)
    assert t_p_value(one, no_spread, np.array([float(members)]))[0] == pytest.approx(as_far)


def test_one_member_says_nothing_about_others() -> None:
    one = np.ones(1)
    error = standard_error(np.zeros(1), one, one)
    assert np.isnan(error[0])
    assert np.isnan(t_p_value(one, error, one)[0])
    assert np.isnan(t_interval(one, error, one)[0][0])


@settings(deadline=None)
@given(p_values=p_values)
def test_adjusted_p_values_equal_those_of_scipy(p_values: list[float]) -> None:
    expected = stats.false_discovery_control(p_values, method="bh")
    assert adjust_p_values(np.array(p_values)) == pytest.approx(expected)


@given(p_values=p_values, seed=st.integers(0, 1000))
def test_the_order_of_tests_does_not_matter(p_values: list[float], seed: int) -> None:
    values = np.array(p_values)
    order = np.random.default_rng(seed).permutation(len(values))
    assert adjust_p_values(values[order]) == pytest.approx(adjust_p_values(values)[order])


def test_tests_that_could_not_be_made_do_not_count() -> None:
    adjusted = adjust_p_values(np.array([0.01, np.nan, 0.5]))
    assert adjusted[0] == pytest.approx(0.02)
    assert np.isnan(adjusted[1])
