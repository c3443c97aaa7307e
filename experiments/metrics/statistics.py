"""Means, paired differences, and their intervals.

Every page of a variant has a partner in the reference: same profile, same as-of. A member
may have several pages, which are not independent, so variances are clustered by member.

For n pages of G members, with d_ij the difference of page j of member i and m their mean::

    m  = sum_ij d_ij / n
    s_i = sum_j (d_ij - m)
    standard error = sqrt(G / (G - 1) * sum_i s_i^2) / n
    interval = m -+ t(G - 1; (1 + confidence) / 2) * standard error
    p = max(2 * P(T(G - 1) > |m| / standard error), 2^(1 - G))

The floor is the smallest two-sided p value that flipping the signs of G members can reach
(Fisher, The Design of Experiments, 1935, section 21): two members who happen to have the same
difference, hence no spread, prove little.

With one page per member this is the paired t test. Source: Liang and Zeger, Longitudinal
data analysis using generalized linear models (Biometrika 1986), with the finite-sample factor
G / (G - 1) of Cameron and Miller, A Practitioner's Guide to Cluster-Robust Inference (Journal
of Human Resources 2015).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import stats

from core.kernel import kernel, kernel_array

if TYPE_CHECKING:
    from core.arrays import Float64Array, Int32Array, Int64Array


CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """Hold what clusters say of groups: float64[groups, columns] each.

    Args:
        pages: Pages that have a value.
        profiles: Members who have such a page.
        mean: Mean over pages; NaN where none has a value.
        squares: Sum over members of the squared sum of their deviations from the mean.
    """

    pages: Float64Array
    profiles: Float64Array
    mean: Float64Array
    squares: Float64Array

    @property
    def error(self) -> Float64Array:
        """The clustered standard error of the mean."""
        return standard_error(self.squares, self.pages, self.profiles)

    def column(self, place: int) -> Summary:
        """Return one column: float64[groups] each."""
        return Summary(*(getattr(self, one.name)[:, place] for one in fields(self)))

    def append(self, groups: Summary) -> Summary:
        """Return these groups and then others."""
        return Summary(
            *(
                np.concatenate([getattr(self, one.name), getattr(groups, one.name)])
                for one in fields(self)
            )
        )


def summarise(
    pages: Int32Array | Float64Array,
    totals: Float64Array,
    groups: Int64Array,
    group_count: int,
) -> Summary:
    """Return counts, means and clustered squares of groups of members.

    Args:
        pages: int32 or float64[members, columns], pages of each that have a value.
        totals: float64[members, columns], sum of these values.
        groups: int64[members], the group of each.
        group_count: How many groups there are.
    """
    own_pages = add_by(groups, pages, group_count)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = add_by(groups, totals, group_count) / own_pages
    deviations = np.nan_to_num(totals - pages * mean[groups])
    return Summary(
        pages=own_pages,
        profiles=add_by(groups, pages > 0, group_count),
        mean=mean,
        squares=add_by(groups, deviations**2, group_count),
    )


def add_by(
    groups: Int64Array, values: npt.NDArray[np.generic], group_count: int
) -> Float64Array:
    """Return the sum of the rows of each group: float64[groups, columns]."""
    sums = np.zeros((group_count, values.shape[1]))
    add_rows(kernel_array(groups, np.int64), kernel_array(values, np.float64), sums)
    return sums


@kernel
def add_rows(groups: Int64Array, values: Float64Array, sums: Float64Array) -> None:
    """Add each row to the sum of its group."""
    for row in range(len(groups)):
        for column in range(values.shape[1]):
            sums[groups[row], column] += values[row, column]


def standard_error(
    squares: Float64Array, pages: Float64Array, profiles: Float64Array
) -> Float64Array:
    """Return the clustered standard error of means; NaN with fewer than two members."""
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(profiles / (profiles - 1) * squares) / pages
    return np.where(profiles > 1, error, np.nan)


def t_interval(
    mean: Float64Array,
    error: Float64Array,
    profiles: Float64Array,
    confidence: float = CONFIDENCE,
) -> tuple[Float64Array, Float64Array]:
    """Return the ends of two-sided t intervals; NaN with fewer than two members."""
    freedom = np.where(profiles > 1, profiles - 1, np.nan)
    half: Float64Array = stats.t.ppf((1 + confidence) / 2, freedom) * error
    return mean - half, mean + half


def t_p_value(mean: Float64Array, error: Float64Array, profiles: Float64Array) -> Float64Array:
    """Return two-sided p values of "the mean is zero".

    NaN with fewer than two members, and where no page differs: there is nothing to test.
    The same difference on every page of G members has p = 2^(1 - G).
    """
    freedom = np.where(profiles > 1, profiles - 1, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.abs(mean) / error
    p_value: Float64Array = np.maximum(2 * stats.t.sf(ratio, freedom), p_value_floor(profiles))
    return p_value


def p_value_floor(profiles: Float64Array) -> Float64Array:
    """Return the smallest p value that so many members can reach, whatever differs."""
    floor: Float64Array = np.exp2(1 - profiles)
    return floor


def adjust_p_values(p_values: Float64Array) -> Float64Array:
    """Return p values adjusted for how many were looked at; NaN stays and does not count.

    The smallest false discovery rate at which each would be called a discovery. Source:
    Benjamini and Hochberg, Controlling the False Discovery Rate (JRSS B 1995).
    """
    adjusted = np.full(len(p_values), np.nan)
    known = np.flatnonzero(~np.isnan(p_values))
    order = known[np.argsort(p_values[known], kind="stable")]
    scaled = p_values[order] * len(order) / np.arange(1, len(order) + 1)
    adjusted[order] = np.minimum.accumulate(scaled[::-1])[::-1].clip(max=1.0)
    return adjusted
