"""Intervals and p values against scipy and against their formulas."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from experiments.metrics.statistics import (
    adjust_p_values,
    clustered_summary,
    standard_error,
    t_interval,
    t_p_value,
)
from tests.support.effort import effort

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibis.backends.duckdb import Backend

p_values = st.lists(st.floats(0, 1, allow_nan=False), min_size=1, max_size=30)


def _summarise(
    connection: Backend, profiles: Sequence[int], values: Sequence[float]
) -> dict[str, float]:
    table = pa.table(
        {
            "variant": ["treatment"] * len(values),
            "stratum": ["all"] * len(values),
            "profile_id": pa.array(profiles, pa.int64()),
            "value": pa.array(values, pa.float64()),
        }
    )
    source = connection.create_table("plain_values", table, temp=True, overwrite=True)
    summary = clustered_summary(source, ["value"])
    record: dict[str, float] = summary.to_pyarrow().to_pylist()[0]
    return record


def test_one_page_per_member_gives_the_paired_t_test(connection: Backend) -> None:
    random = np.random.default_rng(3)
    treatment, control = random.normal(0.3, 1, 40), random.normal(0, 1, 40)
    summary = _summarise(connection, range(40), list(treatment - control))
    profiles = np.array([summary["profiles_value"]], float)
    mean = np.array([summary["mean_value"]])
    error = standard_error(np.array([summary["squares_value"]]), profiles, profiles)
    low, high = t_interval(mean, error, profiles)
    expected = stats.ttest_rel(treatment, control)
    interval = expected.confidence_interval(0.95)
    assert t_p_value(mean, error, profiles)[0] == pytest.approx(expected.pvalue)
    assert (low[0], high[0]) == pytest.approx((interval.low, interval.high))


def test_repeating_every_page_of_a_member_does_not_narrow_the_interval(
    connection: Backend,
) -> None:
    values = [0.1, 0.5, -0.2, 0.9, 0.4]
    once = _summarise(connection, range(5), values)
    members = [member for member in range(5) for _ in range(3)]
    thrice = _summarise(connection, members, [values[member] for member in members])

    def error(summary: dict[str, float]) -> float:
        squares, pages, profiles = (
            np.array([summary[key]], float)
            for key in ("squares_value", "pages_value", "profiles_value")
        )
        return float(standard_error(squares, pages, profiles)[0])

    assert thrice["pages_value"] == 15
    assert error(thrice) == pytest.approx(error(once))


@settings(max_examples=effort(5, 15), deadline=None)
@given(pages=st.lists(st.tuples(st.integers(1, 4), st.floats(-100, 100)), min_size=1))
def test_the_summary_equals_its_formula(
    connection: Backend, pages: list[tuple[int, float]]
) -> None:
    summary = _summarise(connection, [p for p, _ in pages], [value for _, value in pages])
    mean = sum(value for _, value in pages) / len(pages)
    sums = {
        member: math.fsum(value - mean for profile, value in pages if profile == member)
        for member, _ in pages
    }
    assert summary["pages_value"] == len(pages)
    assert summary["profiles_value"] == len(sums)
    assert summary["mean_value"] == pytest.approx(mean, abs=1e-9)
    assert summary["squares_value"] == pytest.approx(
        sum(total * total for total in sums.values()), abs=1e-6
    )


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


def test_shuffling_pages_of_a_variant_keeps_its_mean(connection: Backend) -> None:
    values = [0.25, 1.5, -3.0, 2.0]
    forward = _summarise(connection, [1, 2, 3, 4], values)
    backward = _summarise(connection, [4, 3, 2, 1], values[::-1])
    assert forward == backward
