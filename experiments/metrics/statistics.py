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

from typing import TYPE_CHECKING

import ibis
import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Sequence

    import ibis.expr.types as ir

    from core.arrays import Float64Array


CONFIDENCE = 0.95
_GROUP = ["variant", "stratum"]


def clustered_summary(values: ir.Table, columns: Sequence[str]) -> ir.Table:
    """Return counts, means and clustered squares of every variant and stratum.

    All columns are in one query: compiling a query costs more than a column of it.

    Args:
        values: variant, stratum, profile_id and the columns; a null is no value.
        columns: What to summarise.

    Returns:
        variant, stratum, and for each column how many pages and members have a value
        (`pages_<column>`, `profiles_<column>`), its mean (`mean_<column>`, null where none
        has one), and the sum over members of the squared sum of their deviations from it
        (`squares_<column>`).
    """
    members = values.group_by([*_GROUP, "profile_id"]).agg(
        **{f"pages_{name}": values[name].count() for name in columns},
        **{f"total_{name}": values[name].sum() for name in columns},
    )
    window = ibis.window(group_by=_GROUP)
    means = {
        f"mean_{name}": members[f"total_{name}"].sum().over(window)
        / members[f"pages_{name}"].sum().over(window)
        for name in columns
    }
    members = members.mutate(**means)
    deviations = {
        name: members[f"total_{name}"] - members[f"pages_{name}"] * members[f"mean_{name}"]
        for name in columns
    }
    return members.group_by(_GROUP).agg(
        **{f"pages_{name}": members[f"pages_{name}"].sum() for name in columns},
        **{f"profiles_{name}": members[f"total_{name}"].count() for name in columns},
        **{f"mean_{name}": members[f"mean_{name}"].min() for name in columns},
        **{f"squares_{name}": (own * own).sum() for name, own in deviations.items()},
    )


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
    p_value: Float64Array = np.maximum(2 * stats.t.sf(ratio, freedom), np.exp2(1 - profiles))
    return p_value


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
