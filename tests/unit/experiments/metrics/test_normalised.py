"""Normalised differences, against their formulas in plain Python."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from experiments.metrics.comparison import Comparison, compare_variants
from experiments.metrics.normalised import (
    pool,
    post_stratify,
    relative_errors,
    standard_deviations,
)
from experiments.metrics.statistics import Summary, t_interval
from experiments.metrics.values import PAGE_METRICS_SCHEMA
from tests.support.effort import effort

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

METRICS = ("rows_per_page", "popularity")
COMPARISONS = (("control", None), ("treatment", "control"), ("control", "logged"))

Values = tuple[float | None, ...]
Page = tuple[int, str, dict[str, Values]]
"""Profile, stratum, and the values of the variants that made the page."""
Pair = tuple[int, str, float, float]
"""Profile, stratum, and the values of a page and of its reference."""
Estimate = tuple[float | None, float | None, float | None, float | None]
"""Value, standard error, and the ends of the interval."""
NOTHING: Estimate = (None, None, None, None)

# Equal values are many, and have no exact mean in binary.
_values = st.none() | st.sampled_from([0.0, 0.1, 0.1, 0.7, 3.0, 12.5])
_pages = st.lists(
    st.tuples(
        st.integers(1, 5),  # profile
        st.sampled_from(["US", "FR", "no country"]),
        st.dictionaries(
            st.sampled_from(["control", "treatment", "logged"]),
            st.tuples(*(_values for _ in METRICS)),
        ),
    ),
    max_size=16,
)
_populations = st.dictionaries(
    st.sampled_from(["US", "FR", "no country", "IN"]), st.integers(1, 1_000)
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("normalised") / "page_metrics.parquet"


@settings(max_examples=effort(25, 300), deadline=None)
@given(pages=_pages, population=_populations, slice_pages=st.integers(1, 9))
def test_normalised_results_equal_their_formulas(
    path: Path, pages: list[Page], population: dict[str, int], slice_pages: int
) -> None:
    found = _by_key(_compare(path, pages, population, slice_pages).normalised)
    expected = _normalise_plainly(pages, population)
    assert found.keys() == expected.keys()
    for key, record in expected.items():
        assert _numbers(found[key]) == pytest.approx(_numbers(record), abs=1e-9, nan_ok=True)


@settings(max_examples=effort(10, 100), deadline=None)
@given(pages=_pages, population=_populations)
def test_raw_results_do_not_depend_on_the_population(
    path: Path, pages: list[Page], population: dict[str, int]
) -> None:
    raw = _compare(path, pages, {}).results
    assert _compare(path, pages, population).results.equals(raw)


def test_a_treatment_that_doubles_a_metric_is_one_reference_above_it(path: Path) -> None:
    random = np.random.default_rng(5)
    pages: list[Page] = []
    for value in random.uniform(1, 9, 60).tolist():
        noise = random.normal()
        doubled = (2 * value, 2 * value + noise)
        made: dict[str, Values] = {"control": (value, value), "treatment": doubled}
        pages.append((int(random.integers(20)), "US", made))
    found = _by_key(_compare(path, pages, {}).normalised)
    exact = found["treatment", "control", "all", "rows_per_page"]
    assert exact["relative"] == 1.0
    assert exact["relative_low"] <= 1.0 <= exact["relative_high"]
    noisy = found["treatment", "control", "all", "popularity"]
    assert noisy["relative"] != 1.0
    assert 0.8 < noisy["relative_low"] < 1.0 < noisy["relative_high"] < 1.2


def test_intervals_of_relative_differences_hold_the_true_one_as_often_as_they_say() -> None:
    random, true, members, trials = np.random.default_rng(3), 0.2, 40, 2_000
    # Totals of members with 1 to 5 pages: one trial a column.
    pages = random.integers(1, 6, (members, trials))
    others = random.gamma(2.0, 3.0, (members, trials)) * pages
    differences = true * others + random.normal(0, 2, (members, trials)) * pages
    relative = (differences.sum(axis=0) / others.sum(axis=0))[None]
    everybody, profiles = np.zeros(members, np.int64), np.full((1, trials), float(members))
    error = relative_errors(relative, differences, others, everybody, profiles)
    low, high = t_interval(relative, error, profiles)
    assert 0.93 < ((low <= true) & (true <= high)).mean() < 0.97


@settings(max_examples=effort(10, 100), deadline=None)
@given(
    pages=st.lists(
        st.tuples(
            st.sampled_from(["US", "FR", "no country"]),
            st.tuples(*(st.floats(-50, 50) for _ in METRICS)),
            st.tuples(*(st.floats(-50, 50) for _ in METRICS)),
        ),
        min_size=1,
        max_size=16,
    )
)
def test_the_shares_of_the_sample_itself_change_no_difference(
    path: Path, pages: list[tuple[str, Values, Values]]
) -> None:
    made: list[Page] = [
        (profile, stratum, {"control": control, "treatment": treatment})
        for profile, (stratum, control, treatment) in enumerate(pages)
    ]
    drawn = {name: sum(page[0] == name for page in pages) for name, *_ in pages}
    comparison = _compare(path, made, drawn)
    raw = _by_key(comparison.results)
    for key, record in _by_key(comparison.normalised).items():
        if key[2] == "all":
            assert record["reweighted"] == pytest.approx(raw[key]["difference"], abs=1e-9)


def test_one_stratum_is_reweighted_to_itself(path: Path) -> None:
    random = np.random.default_rng(8)
    pages: list[Page] = [
        (profile, "all", {"control": (own, own), "treatment": (own + 1, own * own)})
        for profile in (1, 2, 3, 4)
        for own in random.uniform(1, 9, profile).tolist()
    ]
    comparison = _compare(path, pages, {"all": 1_000})
    record = _by_key(comparison.normalised)["treatment", "control", "all", "popularity"]
    raw = _by_key(comparison.results)["treatment", "control", "all", "popularity"]
    names = ("difference", "standard_error", "ci_low", "ci_high")
    own = [record[f"reweighted{end}"] for end in ("", "_error", "_low", "_high")]
    assert own == pytest.approx([raw[name] for name in names])


def test_a_stratum_of_one_member_leaves_the_reweighted_difference_without_interval() -> None:
    strata = _differences(pages=[3, 1], profiles=[3, 1], means=[1.0, 2.0], errors=[0.1, np.nan])
    estimate = post_stratify(strata, np.array([30.0, 10.0]))
    assert estimate.value == pytest.approx(1.25)
    assert np.isnan([estimate.error, estimate.low, estimate.high]).all()
    without = post_stratify(strata, np.array([30.0, 0.0]))
    assert (without.value, without.error) == pytest.approx((1.0, 0.1))


def test_where_nothing_is_known_of_the_population_nothing_is_reweighted() -> None:
    strata = _differences(pages=[3, 0], profiles=[3, 0], means=[1.0, np.nan], errors=[0.1, 0.1])
    for population in ([0.0, 0.0], [0.0, 5.0]):
        assert np.isnan(post_stratify(strata, np.array(population)).value)


@given(
    groups=st.lists(
        st.lists(st.sampled_from([0.1, 0.1, 0.3, 7.0, 1e6 + 0.1]), max_size=6), min_size=1
    )
)
def test_spreads_pool_to_that_of_all_values(groups: list[list[float]]) -> None:
    spreads = np.zeros((len(groups), 1, 3))
    for spread, own in zip(spreads, groups, strict=True):
        mean = statistics.fmean(own) if len(set(own)) > 1 else (own or [0.0])[0]
        spread[0] = len(own), mean, math.fsum((value - mean) ** 2 for value in own)
    everything = [value for own in groups for value in own]
    deviation = standard_deviations(pool(spreads)[None]).item()
    if len(set(everything)) > 1:
        assert deviation == pytest.approx(statistics.stdev(everything), rel=1e-9)
    else:
        assert np.isnan(deviation)


def _differences(
    pages: Sequence[float],
    profiles: Sequence[float],
    means: Sequence[float],
    errors: Sequence[float],
) -> Summary:
    """Return a summary of strata that has these standard errors."""
    sizes, members, error = np.array(pages), np.array(profiles), np.array(errors)
    squares = (error * sizes) ** 2 * (members - 1) / np.maximum(members, 1)
    return Summary(sizes, members, np.array(means), squares)


def _compare(
    path: Path, pages: Sequence[Page], population: Mapping[str, int], slice_pages: int = 100
) -> Comparison:
    """Write pages slice by slice, and compare their variants."""
    with pq.ParquetWriter(path, PAGE_METRICS_SCHEMA) as writer:
        for first in range(0, len(pages), slice_pages):
            numbered = list(enumerate(pages))[first : first + slice_pages]
            records = [
                {
                    "variant": variant,
                    "page_id": f"page-{number}",
                    "profile_id": profile,
                    "stratum": stratum,
                    **dict(zip(METRICS, made[variant], strict=True)),
                }
                for variant in ("control", "treatment", "logged")
                for number, (profile, stratum, made) in numbered
                if variant in made
            ]
            writer.write_table(pa.Table.from_pylist(records, PAGE_METRICS_SCHEMA))
    return compare_variants(path, COMPARISONS, population)


def _by_key(table: pa.Table) -> dict[tuple[str, ...], dict[str, Any]]:
    keys = ("variant", "reference", "stratum", "metric")
    return {
        tuple(record[key] for key in keys): {
            name: value for name, value in record.items() if name not in keys
        }
        for record in table.to_pylist()
    }


def _numbers(record: Mapping[str, float | None]) -> dict[str, float]:
    return {name: math.nan if value is None else value for name, value in record.items()}


def _normalise_plainly(
    pages: Sequence[Page], population: Mapping[str, int]
) -> dict[tuple[str, ...], dict[str, float | None]]:
    records: dict[tuple[str, ...], dict[str, float | None]] = {}
    for variant, reference in COMPARISONS:
        for place, metric in enumerate(METRICS):
            pairs: list[Pair] = [
                (profile, stratum, own, other)
                for profile, stratum, made in pages
                if reference is not None and variant in made and reference in made
                if (own := made[variant][place]) is not None
                if (other := made[reference][place]) is not None
            ]
            by_stratum: dict[str, list[Pair]] = defaultdict(list)
            for pair in pairs:
                by_stratum[pair[1]].append(pair)
            reweighted = _reweight_plainly(by_stratum, population)
            for stratum, group in [*by_stratum.items(), ("all", pairs)]:
                if group:
                    last = reweighted if stratum == "all" else NOTHING
                    records[variant, str(reference), stratum, metric] = _record(group, last)
    return records


def _record(pairs: Sequence[Pair], reweighted: Estimate) -> dict[str, float | None]:
    relative = _relate_plainly(pairs)
    difference, _, low, high = _mean_plainly(pairs)
    others = [other for *_, other in pairs]
    deviation = statistics.stdev(others) if len(set(others)) > 1 else None
    delta = [
        None if deviation is None or value is None else value / deviation
        for value in (difference, low, high)
    ]
    ends = ("", "_error", "_low", "_high")
    return {
        **{f"relative{end}": value for end, value in zip(ends, relative, strict=True)},
        "reference_deviation": deviation,
        "glass_delta": delta[0],
        "glass_delta_low": delta[1],
        "glass_delta_high": delta[2],
        **{f"reweighted{end}": value for end, value in zip(ends, reweighted, strict=True)},
    }


def _relate_plainly(pairs: Sequence[Pair]) -> Estimate:
    own = _by_member((profile, value) for profile, _, value, _ in pairs)
    other = _by_member((profile, value) for profile, _, _, value in pairs)
    total = math.fsum(other.values())
    if total == 0:
        return NOTHING
    ratio, members = math.fsum(own.values()) / total, len(own)
    if members < 2:
        return (ratio - 1, None, None, None)
    squares = math.fsum((own[member] - ratio * other[member]) ** 2 for member in own)
    error = math.sqrt(members / (members - 1) * squares) / total
    return _with_interval(ratio - 1, error, members - 1)


def _mean_plainly(pairs: Sequence[Pair]) -> Estimate:
    differences = [(profile, own - other) for profile, _, own, other in pairs]
    mean = math.fsum(value for _, value in differences) / len(pairs)
    sums = _by_member((profile, value - mean) for profile, value in differences)
    members = len(sums)
    if members < 2:
        return (mean, None, None, None)
    squares = math.fsum(value**2 for value in sums.values())
    error = math.sqrt(members / (members - 1) * squares) / len(pairs)
    return _with_interval(mean, error, members - 1)


def _reweight_plainly(
    by_stratum: Mapping[str, Sequence[Pair]], population: Mapping[str, int]
) -> Estimate:
    counted = [name for name in by_stratum if name in population]
    if not counted:
        return NOTHING
    total = sum(population[name] for name in counted)
    value, parts = 0.0, []
    for name in counted:
        weight = population[name] / total
        mean, error, *_ = _mean_plainly(by_stratum[name])
        assert mean is not None
        value += weight * mean
        members = len({profile for profile, *_ in by_stratum[name]})
        parts.append((None if error is None else (weight * error) ** 2, members - 1))
    variances = [(variance, freedom) for variance, freedom in parts if variance is not None]
    if len(variances) < len(parts):
        return (value, None, None, None)
    variance = math.fsum(own for own, _ in variances)
    if variance < 1e-25:  # what is left of 0
        return (value, 0.0, value, value)
    freedom = variance**2 / math.fsum(own**2 / freedom for own, freedom in variances)
    return _with_interval(value, math.sqrt(variance), freedom)


def _by_member(values: Iterable[tuple[int, float]]) -> dict[int, float]:
    sums: dict[int, float] = defaultdict(float)
    for member, value in values:
        sums[member] += value
    return sums


def _with_interval(value: float, error: float, freedom: float) -> Estimate:
    half = float(stats.t.ppf(0.975, freedom)) * error
    return (value, error, value - half, value + half)
