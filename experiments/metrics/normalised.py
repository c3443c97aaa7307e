"""Differences in other units: of the reference's mean, of its spread, of the population.

The relative difference is that of two means over the same n pages of G members. With x_i and
y_i the totals of member i, of the variant and of the reference::

    r   = sum_i x_i / sum_i y_i - 1
    z_i = x_i - (1 + r) * y_i = (x_i - y_i) - r * y_i
    standard error = sqrt(G / (G - 1) * sum_i z_i^2) / |sum_i y_i|
    interval = r -+ t(G - 1; (1 + confidence) / 2) * standard error

The reference's mean is as uncertain as the variant's, so the interval of the difference must
not just be divided by it. Source: Deng, Knoblich and Lu, Applying the Delta Method in Metric
Analytics (KDD 2018), with the factor G / (G - 1) as in `experiments.metrics.statistics`.

Glass's delta is the difference d in standard deviations of the reference's values y_j::

    delta = d / sqrt(sum_j (y_j - mean(y))^2 / (n - 1))

Its interval is that of d over the same deviation, which is taken as given. Source: Glass,
Primary, Secondary, and Meta-Analysis of Research (Educational Researcher 1976).

The post-stratified difference weighs the differences d_s of strata, whose standard errors are
e_s, by the N_s profiles that the population has in each::

    w_s = N_s / sum_s N_s
    d   = sum_s w_s * d_s
    standard error = sqrt(sum_s w_s^2 * e_s^2)
    interval = d -+ t(f; (1 + confidence) / 2) * standard error
    f   = (sum_s w_s^2 * e_s^2)^2 / sum_s (w_s^4 * e_s^4 / (G_s - 1))

Source: Cochran, Sampling Techniques (1977), sections 5A.9 and 5.4, which has the degrees of
freedom f after Satterthwaite.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.metrics.rounding import DECIMALS
from experiments.metrics.statistics import add_by, standard_error, t_interval

if TYPE_CHECKING:
    from core.arrays import Float64Array, Int64Array
    from experiments.metrics.statistics import Summary


@dataclass(frozen=True, slots=True)
class Estimate:
    """Hold an estimate, its standard error and its interval; NaN is none."""

    value: float = np.nan
    error: float = np.nan
    low: float = np.nan
    high: float = np.nan


def relate(own: Summary, differences: Summary) -> Float64Array:
    """Return relative differences, shaped as the means; NaN where the reference's mean is 0.

    Args:
        own: Of the variant's values.
        differences: Of its values less the reference's.
    """
    other = own.mean - differences.mean
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(other == 0, np.nan, differences.mean / other)


def relative_errors(
    relative: Float64Array,
    differences: Float64Array,
    others: Float64Array,
    groups: Int64Array,
    profiles: Float64Array,
) -> Float64Array:
    """Return the standard errors of relative differences: float64[groups, columns].

    Args:
        relative: float64[groups, columns], NaN where there is none.
        differences: float64[members, columns], totals of the variant less the reference's.
        others: float64[members, columns], totals of the reference.
        groups: int64[members], the group of each.
        profiles: float64[groups, columns], members who have a value; NaN is returned for fewer
            than two.
    """
    squares = add_by(groups, (differences - relative[groups] * others) ** 2, len(relative))
    return standard_error(squares, np.abs(add_by(groups, others, len(relative))), profiles)


def pool(spreads: Float64Array) -> Float64Array:
    """Return the spreads of all groups together: float64[columns, 3].

    Source: Chan, Golub and LeVeque, Algorithms for Computing the Sample Variance (The American
    Statistician 1983).

    Args:
        spreads: float64[groups, columns, 3]: how many values, their mean, and the sum of their
            squared deviations from it.
    """
    pooled = np.zeros(spreads.shape[1:])
    for group in spreads:
        before, values = pooled[:, 0].copy(), group[:, 0]
        apart = group[:, 1] - pooled[:, 1]
        pooled[:, 0] += values
        share = values / np.maximum(pooled[:, 0], 1)
        pooled[:, 1] += share * apart
        pooled[:, 2] += group[:, 2] + share * before * apart**2
    return pooled


def standard_deviations(spreads: Float64Array) -> Float64Array:
    """Return the standard deviations of groups; NaN with fewer than two values, or none apart.

    A deviation that rounds to 0 is that of equal values whose last bits differ.

    Args:
        spreads: As for `pool`, float64[..., 3].
    """
    values = np.where(spreads[..., 0] > 1, spreads[..., 0] - 1, np.nan)
    deviations = np.sqrt(spreads[..., 2] / values)
    return np.where(np.round(deviations, DECIMALS) > 0, deviations, np.nan)


def post_stratify(strata: Summary, population: Float64Array) -> Estimate:
    """Return the difference that the population's strata would show.

    Strata without a value leave their weight to the others; those of no profile have none.
    There is no interval if one that counts has fewer than two members.

    Args:
        strata: Of differences: float64[strata].
        population: float64[strata], profiles in each.
    """
    counts = (strata.pages > 0) & (population > 0)
    if not counts.any():
        return Estimate()
    weights = population[counts] / population[counts].sum()
    variances = (weights * strata.error[counts]) ** 2
    value, variance = (weights * strata.mean[counts]).sum(), variances.sum()
    if np.isnan(variance):
        return Estimate(value)
    # Where nothing varies, any degrees of freedom give the same interval.
    parts = variances / variance if variance else weights
    freedom = 1 / (parts**2 / (strata.profiles[counts] - 1)).sum()
    error = np.sqrt(variance)
    low, high = t_interval(value, error, freedom + 1)
    return Estimate(value, error, float(low), float(high))
