"""Compares variants: means, paired differences and intervals per stratum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from experiments.metrics.definitions.definition import LOGGED, OVERALL, Family
from experiments.metrics.definitions.registry import COVERAGE, PAGE_METRICS
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

    from core.arrays import Float64Array, Int32Array
    from experiments.metrics.definitions.definition import Metric
    from experiments.metrics.paired_sums import Clusters, PairedSums
    from experiments.metrics.statistics import Summary

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


def compare_variants(
    page_metrics: Path, comparisons: Sequence[tuple[str, str | None]]
) -> pa.Table:
    """Return the results of all page metrics, as in METRICS_SCHEMA.

    Args:
        page_metrics: One record per page and variant, as in `values.PAGE_METRICS_SCHEMA`; a row
            group holds every variant of its pages.
        comparisons: (variant, reference); None asks for the variant's own means alone.
    """
    pairings = {
        _pairing_of(*comparison, metric)
        for comparison in comparisons
        for metric in PAGE_METRICS
    }
    values = PageValues(page_metrics, sorted(pairings))
    parts = [METRICS_SCHEMA.empty_table()]
    for names, sums in values.add_up([metric.name for metric in PAGE_METRICS]):
        groups = {pairing: _Groups.of(values.clusters, one) for pairing, one in sums.items()}
        for place, name in enumerate(names):
            metric = _METRICS[name]
            for variant, reference in comparisons:
                pairing = _pairing_of(variant, reference, metric)
                is_measured = reference is not None or metric.family is not Family.SIMILARITY
                if is_measured and pairing in groups:
                    parts.append(_describe(metric, variant, reference, groups[pairing], place))
    return pa.concat_tables(parts)


def _pairing_of(variant: str, reference: str | None, metric: Metric) -> Pairing:
    """Return which pages to pair; similarity is measured against the reference in itself."""
    if reference is None or metric.family is Family.SIMILARITY:
        return Pairing(variant, variant)
    return Pairing(variant, reference)


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


@dataclass(frozen=True, slots=True)
class _Groups:
    """Hold what pairs of pages say of each stratum, and of all pages: OVERALL, the last.

    Args:
        strata: Names of the groups.
        own: Of the variant's values: float64[groups, metrics], as all of these.
        differences: Of its values less the reference's.
    """

    strata: tuple[str, ...]
    own: Summary
    differences: Summary

    @classmethod
    def of(cls, clusters: Clusters, sums: PairedSums) -> Self:
        """Return the summaries of sums."""
        return cls(
            strata=(*clusters.names, OVERALL),
            own=_summarise(clusters, sums.pages, sums.own),
            differences=_summarise(clusters, sums.pages, sums.differences),
        )


def _summarise(clusters: Clusters, pages: Int32Array, totals: Float64Array) -> Summary:
    """Return the summaries of strata, and after them of all pages: clusters are members."""
    members = int(clusters.profiles.max(initial=-1)) + 1
    everybody = np.zeros(members, np.int64)
    return summarise(pages, totals, clusters.strata, len(clusters.names)).append(
        summarise(
            add_by(clusters.profiles, pages, members),
            add_by(clusters.profiles, totals, members),
            everybody,
            1,
        )
    )


def _describe(
    metric: Metric, variant: str, reference: str | None, groups: _Groups, place: int
) -> pa.Table:
    """Return the results of one metric in every group where some pair has values."""
    own, difference = groups.own.column(place), groups.differences.column(place)
    low, high = t_interval(own.mean, own.error, own.profiles)
    columns: dict[str, Sequence[object] | Float64Array] = {
        "stratum": groups.strata,
        "pages": own.pages.astype(np.int64),
        "profiles": own.profiles.astype(np.int64),
        "mean": own.mean,
        "mean_low": low,
        "mean_high": high,
    }
    if reference is not None and metric.family is not Family.SIMILARITY:
        mean, error, profiles = difference.mean, difference.error, difference.profiles
        other = own.mean - mean
        low, high = t_interval(mean, error, profiles)
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = np.where(other == 0, np.nan, mean / other)
        columns |= {
            "reference_mean": other,
            "difference": mean,
            "relative": relative,
            "standard_error": error,
            "ci_low": low,
            "ci_high": high,
            "p_value": t_p_value(mean, error, profiles),
        }
    labels = {**_labels(metric), "variant": variant, "reference": reference}
    size = len(groups.strata)
    columns |= {name: [value] * size for name, value in labels.items()}
    table = pa.table(
        [
            round_floats(pa.array(columns[column.name], column.type, from_pandas=True))
            if column.name in columns
            else pa.nulls(size, column.type)
            for column in METRICS_SCHEMA
        ],
        schema=METRICS_SCHEMA,
    )
    # A stratum that is called like all of them is all of them.
    is_named = [name != OVERALL for name in groups.strata[:-1]]
    return table.filter(pa.array([*is_named, True])).filter(pc.field("pages") > 0)


def _labels(metric: Metric) -> dict[str, str]:
    return {
        "metric": metric.name,
        "family": metric.family.value,
        "unit": metric.unit.value,
        "direction": metric.direction.value,
    }
