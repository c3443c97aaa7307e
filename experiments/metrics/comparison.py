"""Compares variants per stratum: means, paired differences, intervals; raw and normalised."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from experiments.metrics.definitions.definition import LOGGED, OVERALL, Family
from experiments.metrics.definitions.registry import COVERAGE, PAGE_METRICS
from experiments.metrics.normalised import (
    pool,
    post_stratify,
    relate,
    relative_errors,
    standard_deviations,
)
from experiments.metrics.paired_sums import PageValues, Pairing
from experiments.metrics.rounding import round_floats
from experiments.metrics.statistics import (
    add_by,
    adjust_p_values,
    summarise,
    t_interval,
    t_p_value,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Self

    from core.arrays import Float64Array, Int32Array, Int64Array
    from experiments.metrics.definitions.definition import Metric
    from experiments.metrics.paired_sums import Clusters, PairedSums
    from experiments.metrics.statistics import Summary

_Columns: TypeAlias = "dict[str, Sequence[object] | Float64Array]"

_METRICS: Final = {metric.name: metric for metric in PAGE_METRICS}

METRICS_SCHEMA = pa.schema(
    [
        ("variant", pa.string()),
        ("reference", pa.string()),
        ("stratum", pa.string()),
        ("metric", pa.string()),
        ("family", pa.string()),
        ("unit", pa.string()),
        ("direction", pa.string()),
        ("pages", pa.int64()),
        ("profiles", pa.int64()),
        ("mean", pa.float64()),
        ("mean_low", pa.float64()),
        ("mean_high", pa.float64()),
        ("reference_mean", pa.float64()),
        ("difference", pa.float64()),
        ("relative", pa.float64()),
        ("standard_error", pa.float64()),
        ("ci_low", pa.float64()),
        ("ci_high", pa.float64()),
        ("p_value", pa.float64()),
        ("p_adjusted", pa.float64()),
    ]
)
"""One record per variant, reference, stratum and metric.

`mean` and `reference_mean` are over the same pages: those that both made and where the metric
has a value. `mean_low` to `mean_high` is the interval of the mean; `standard_error`, `ci_low`,
`ci_high` and `p_value` are those of the difference. `p_adjusted` accounts for every
difference of treatments from control in the run. Similarity is measured against the reference
in itself, so it has no difference; a variant without reference has only means.
"""

NORMALISED_SCHEMA = pa.schema(
    [
        ("variant", pa.string()),
        ("reference", pa.string()),
        ("stratum", pa.string()),
        ("metric", pa.string()),
        ("relative", pa.float64()),
        ("relative_error", pa.float64()),
        ("relative_low", pa.float64()),
        ("relative_high", pa.float64()),
        ("reference_deviation", pa.float64()),
        ("glass_delta", pa.float64()),
        ("glass_delta_low", pa.float64()),
        ("glass_delta_high", pa.float64()),
        ("reweighted", pa.float64()),
        ("reweighted_error", pa.float64()),
        ("reweighted_low", pa.float64()),
        ("reweighted_high", pa.float64()),
    ]
)
"""One record per variant, reference, stratum and metric with a difference.

Each puts a `difference` of METRICS_SCHEMA, with its standard error and the ends of its
interval, in other terms; see `experiments.metrics.normalised`. `relative` is in means of the
reference, `glass_delta` in standard deviations of its pages, `reference_deviation`.
`reweighted` is what the population's strata would show; only the stratum OVERALL has it.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Hold what variants show against their references.

    Args:
        results: As in METRICS_SCHEMA.
        normalised: As in NORMALISED_SCHEMA.
    """

    results: pa.Table
    normalised: pa.Table


def compare_variants(
    page_metrics: Path,
    comparisons: Sequence[tuple[str, str | None]],
    population: Mapping[str, int],
) -> Comparison:
    """Return the results of all page metrics.

    Args:
        page_metrics: One record per page and variant, as in `values.PAGE_METRICS_SCHEMA`; a row
            group holds every variant of its pages.
        comparisons: (variant, reference); None asks for the variant's own means alone.
        population: Profiles of each stratum to weigh it by; empty if unknown.
    """
    pairings = {
        _pairing_of(*comparison, metric)
        for comparison in comparisons
        for metric in PAGE_METRICS
    }
    values = PageValues(page_metrics, sorted(pairings))
    parts, normalised = [METRICS_SCHEMA.empty_table()], [NORMALISED_SCHEMA.empty_table()]
    for names, sums in values.add_up([metric.name for metric in PAGE_METRICS]):
        groups = {pairing: _Groups.of(values.clusters, one) for pairing, one in sums.items()}
        for place, name in enumerate(names):
            metric = _METRICS[name]
            for variant, reference in comparisons:
                pairing = _pairing_of(variant, reference, metric)
                is_measured = reference is not None or metric.family is not Family.SIMILARITY
                if is_measured and pairing in groups:
                    of_metric = groups[pairing].column(place)
                    parts.append(_describe(metric, variant, reference, of_metric))
                    if _has_difference(metric, reference):
                        normalised.append(
                            _normalise(metric, variant, reference, of_metric, population)
                        )
    return Comparison(pa.concat_tables(parts), pa.concat_tables(normalised))


def _has_difference(metric: Metric, reference: str | None) -> bool:
    """Return whether values of a variant are compared with those of its reference."""
    return reference is not None and metric.family is not Family.SIMILARITY


def _pairing_of(variant: str, reference: str | None, metric: Metric) -> Pairing:
    """Return which pages to pair; similarity is measured against the reference in itself."""
    if reference is not None and _has_difference(metric, reference):
        return Pairing(variant, reference)
    return Pairing(variant, variant)


def compare_coverage(
    coverage: Mapping[tuple[str, str], float],
    results: pa.Table,
    comparisons: Sequence[tuple[str, str | None]],
) -> pa.Table:
    """Return the results of coverage, as in METRICS_SCHEMA; without intervals.

    Args:
        coverage: Share of the catalogue by variant and stratum.
        results: The results of page metrics, for the number of pages.
        comparisons: As for `compare_variants`.
    """
    records = []
    for sized in results.filter(pc.field("metric") == "rows_per_page").to_pylist():
        variant, reference = sized["variant"], sized["reference"]
        value = coverage.get((variant, sized["stratum"]))
        other = coverage.get((reference, sized["stratum"]))
        if value is None or (variant, reference) not in comparisons:
            continue
        shared = {key: sized[key] for key in ("stratum", "pages", "profiles")}
        difference = None if other is None else value - other
        records.append(
            {
                **_labels(COVERAGE),
                "variant": variant,
                "reference": reference,
                **shared,
                "mean": value,
                "reference_mean": other,
                "difference": difference,
                "relative": difference / other if difference is not None and other else None,
            }
        )
    return pa.Table.from_pylist(records, METRICS_SCHEMA)


def adjust(results: pa.Table) -> pa.Table:
    """Return the results with p values adjusted over all comparisons of treatments."""
    p_values = results["p_value"].to_numpy(zero_copy_only=False).astype(np.float64)
    fidelity = pc.fill_null(pc.equal(results["reference"], LOGGED), fill_value=False)
    p_values[fidelity.to_numpy()] = np.nan
    place = METRICS_SCHEMA.get_field_index("p_adjusted")
    adjusted = pa.array(adjust_p_values(p_values), pa.float64(), from_pandas=True)
    return results.set_column(place, METRICS_SCHEMA.field(place), adjusted)


@dataclass(frozen=True, slots=True, eq=False)
class _Groups:
    """Hold what pairs of pages say of each stratum, and of all pages: OVERALL, the last.

    Args:
        strata: Names of the groups.
        own: Of the variant's values: float64[groups, metrics], as all of these.
        differences: Of its values less the other's.
        relative: Relative differences.
        relative_error: Their standard errors.
        deviation: Standard deviations of the other's values over pages.
    """

    strata: tuple[str, ...]
    own: Summary
    differences: Summary
    relative: Float64Array
    relative_error: Float64Array
    deviation: Float64Array

    @classmethod
    def of(cls, clusters: Clusters, sums: PairedSums) -> Self:
        """Return the summaries of sums."""
        own = _summarise(clusters, sums.pages, sums.own)
        differences = _summarise(clusters, sums.pages, sums.differences)
        relative = relate(own, differences)
        return cls(
            strata=(*clusters.names, OVERALL),
            own=own,
            differences=differences,
            relative=relative,
            relative_error=_relative_errors(clusters, sums, relative, differences.profiles),
            deviation=standard_deviations(np.vstack([sums.spreads, pool(sums.spreads)[None]])),
        )

    def column(self, place: int) -> Self:
        """Return what is said of one metric: float64[groups] each."""
        return replace(
            self,
            own=self.own.column(place),
            differences=self.differences.column(place),
            relative=self.relative[:, place],
            relative_error=self.relative_error[:, place],
            deviation=self.deviation[:, place],
        )


def _summarise(clusters: Clusters, pages: Int32Array, totals: Float64Array) -> Summary:
    """Return the summaries of strata, and after them of all pages: clusters are members."""
    members, everybody = _count_members(clusters)
    return summarise(pages, totals, clusters.strata, len(clusters.names)).append(
        summarise(
            add_by(clusters.profiles, pages, members),
            add_by(clusters.profiles, totals, members),
            everybody,
            1,
        )
    )


def _relative_errors(
    clusters: Clusters, sums: PairedSums, relative: Float64Array, profiles: Float64Array
) -> Float64Array:
    """Return the errors of relative differences of strata, and after them of all pages."""
    members, everybody = _count_members(clusters)
    others = sums.own - sums.differences
    of_strata = relative_errors(
        relative[:-1], sums.differences, others, clusters.strata, profiles[:-1]
    )
    overall = relative_errors(
        relative[-1:],
        add_by(clusters.profiles, sums.differences, members),
        add_by(clusters.profiles, others, members),
        everybody,
        profiles[-1:],
    )
    return np.vstack([of_strata, overall])


def _count_members(clusters: Clusters) -> tuple[int, Int64Array]:
    """Return how many members there are, and the one group that all are in: int64[members]."""
    members = int(clusters.profiles.max(initial=-1)) + 1
    return members, np.zeros(members, np.int64)


def _describe(metric: Metric, variant: str, reference: str | None, groups: _Groups) -> pa.Table:
    """Return the results of one metric in every group where some pair has values."""
    own, difference = groups.own, groups.differences
    low, high = t_interval(own.mean, own.error, own.profiles)
    columns: _Columns = {
        "pages": own.pages.astype(np.int64),
        "profiles": own.profiles.astype(np.int64),
        "mean": own.mean,
        "mean_low": low,
        "mean_high": high,
    }
    if _has_difference(metric, reference):
        mean, error, profiles = difference.mean, difference.error, difference.profiles
        low, high = t_interval(mean, error, profiles)
        columns |= {
            "reference_mean": own.mean - mean,
            "difference": mean,
            "relative": groups.relative,
            "standard_error": error,
            "ci_low": low,
            "ci_high": high,
            "p_value": t_p_value(mean, error, profiles),
        }
    labels = {**_labels(metric), "variant": variant, "reference": reference}
    return _tabulate(METRICS_SCHEMA, groups, labels, columns)


def _normalise(
    metric: Metric,
    variant: str,
    reference: str | None,
    groups: _Groups,
    population: Mapping[str, int],
) -> pa.Table:
    """Return the normalised results of one metric in every group where some pair has values."""
    difference = groups.differences
    low, high = t_interval(difference.mean, difference.error, difference.profiles)
    relative_low, relative_high = t_interval(
        groups.relative, groups.relative_error, difference.profiles
    )
    # All pages are the last group, and none of the population's strata.
    weights = np.array([*(population.get(name, 0) for name in groups.strata[:-1]), 0.0])
    estimate = post_stratify(difference, weights)
    columns: _Columns = {
        "relative": groups.relative,
        "relative_error": groups.relative_error,
        "relative_low": relative_low,
        "relative_high": relative_high,
        "reference_deviation": groups.deviation,
        "glass_delta": difference.mean / groups.deviation,
        "glass_delta_low": low / groups.deviation,
        "glass_delta_high": high / groups.deviation,
    }
    for name, value in (
        ("reweighted", estimate.value),
        ("reweighted_error", estimate.error),
        ("reweighted_low", estimate.low),
        ("reweighted_high", estimate.high),
    ):
        columns[name] = np.append(np.full(len(weights) - 1, np.nan), value)
    labels = {"metric": metric.name, "variant": variant, "reference": reference}
    return _tabulate(NORMALISED_SCHEMA, groups, labels, columns)


def _tabulate(
    schema: pa.Schema, groups: _Groups, labels: Mapping[str, str | None], columns: _Columns
) -> pa.Table:
    """Return a record of every group where some pair has values; what is left out is null."""
    size = len(groups.strata)
    given = {
        **columns,
        "stratum": groups.strata,
        **{name: [value] * size for name, value in labels.items()},
    }
    table = pa.table(
        [
            round_floats(pa.array(given[column.name], column.type, from_pandas=True))
            if column.name in given
            else pa.nulls(size, column.type)
            for column in schema
        ],
        schema=schema,
    )
    # A stratum that is called like all of them is all of them.
    is_named = np.array([*(name != OVERALL for name in groups.strata[:-1]), True])
    return table.filter(pa.array(is_named & (groups.own.pages > 0)))


def _labels(metric: Metric) -> dict[str, str]:
    return {
        "metric": metric.name,
        "family": metric.family.value,
        "unit": metric.unit.value,
        "direction": metric.direction.value,
    }
