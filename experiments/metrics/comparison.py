"""Compares variants: means, paired differences and intervals per stratum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from experiments.metrics.definitions.definition import LOGGED, Family
from experiments.metrics.definitions.joins import attach
from experiments.metrics.definitions.registry import COVERAGE, PAGE_METRICS
from experiments.metrics.rounding import round_floats
from experiments.metrics.statistics import (
    adjust_p_values,
    clustered_summary,
    standard_error,
    t_interval,
    t_p_value,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import ibis.expr.types as ir

    from core.arrays import Float64Array
    from experiments.metrics.definitions.definition import Metric, PageMetric

OVERALL = "all"
"""The stratum that holds every page."""

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
    values: ir.Table, comparisons: Sequence[tuple[str, str | None]]
) -> pa.Table:
    """Return the results of all page metrics, as in METRICS_SCHEMA.

    Args:
        values: One record per page and variant, as in `values.PAGE_METRICS_SCHEMA`.
        comparisons: (variant, reference); None asks for the variant's own means alone.
    """
    values = _with_overall(values)
    alone = [variant for variant, reference in comparisons if reference is None]
    pairs = {variant: other for variant, other in comparisons if other is not None}
    parts = [METRICS_SCHEMA.empty_table()]
    for metric in PAGE_METRICS:
        if metric.family is Family.SIMILARITY:
            parts.append(_means(values, metric, list(pairs), pairs))
        else:
            parts.append(_means(values, metric, alone, {}))
            parts.append(_differences(values, metric, pairs))
    return pa.concat_tables(parts)


def compare_coverage(
    coverage: pa.Table, results: pa.Table, comparisons: Sequence[tuple[str, str | None]]
) -> pa.Table:
    """Return the results of coverage, as in METRICS_SCHEMA; without intervals.

    Args:
        coverage: variant, stratum, value.
        results: The results of page metrics, for the number of pages.
        comparisons: As for `compare_variants`.
    """
    found = {
        (record["variant"], record["stratum"]): record["value"]
        for record in coverage.to_pylist()
    }
    records = []
    for sized in results.filter(pc.field("metric") == "rows_per_page").to_pylist():
        variant, reference = sized["variant"], sized["reference"]
        value = found.get((variant, sized["stratum"]))
        other = found.get((reference, sized["stratum"]))
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


def _with_overall(values: ir.Table) -> ir.Table:
    """Return the pages of each stratum, and all of them once more as one stratum."""
    stratified = values.filter(values.stratum != OVERALL)
    return ibis.union(stratified, values.mutate(stratum=ibis.literal(OVERALL)))


def _means(
    values: ir.Table,
    metric: PageMetric,
    variants: Sequence[str],
    references: Mapping[str, str],
) -> pa.Table:
    own = values.filter(values.variant.isin(variants) & values[metric.name].notnull())
    own = own.select("variant", "stratum", "profile_id", own=own[metric.name])
    summary = clustered_summary(own, ["own"]).order_by("variant", "stratum").to_pyarrow()
    return _describe(metric, summary, references, {})


def _differences(
    values: ir.Table, metric: PageMetric, references: Mapping[str, str]
) -> pa.Table:
    pairs = _pair(values, metric.name, references)
    summary = clustered_summary(pairs, ["own", "other", "difference"])
    summary = summary.order_by("variant", "stratum").to_pyarrow()
    mean, error = _floats(summary, "mean_difference"), _error(summary, "difference")
    reference_mean, profiles = _floats(summary, "mean_other"), _floats(summary, "profiles")
    low, high = t_interval(mean, error, profiles)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(reference_mean == 0, np.nan, mean / reference_mean)
    columns = {
        "reference_mean": reference_mean,
        "difference": mean,
        "relative": relative,
        "standard_error": error,
        "ci_low": low,
        "ci_high": high,
        "p_value": t_p_value(mean, error, profiles),
    }
    return _describe(metric, summary, references, columns)


def _pair(values: ir.Table, name: str, references: Mapping[str, str]) -> ir.Table:
    """Return the pages of variants beside those of their references, where both have one."""
    known = values.filter(values[name].notnull())
    own = known.filter(known.variant.isin(list(references)))
    own = own.select("variant", "stratum", "page_id", "profile_id", own=own[name])
    own = own.mutate(reference=own.variant.substitute(dict(references)))
    others = known.select("page_id", "stratum", reference=known.variant, other=known[name])
    pairs = attach(own, others, ["reference", "stratum", "page_id"])
    return pairs.mutate(difference=pairs.own - pairs.other)


def _describe(
    metric: Metric,
    summary: pa.Table,
    references: Mapping[str, str],
    columns: Mapping[str, Float64Array],
) -> pa.Table:
    variants = summary["variant"].to_pylist()
    profiles, mean = _floats(summary, "profiles"), _floats(summary, "mean_own")
    low, high = t_interval(mean, _error(summary, "own"), profiles)
    labels = _labels(metric)
    known: dict[str, Sequence[object] | Float64Array] = {
        **{name: [value] * len(summary) for name, value in labels.items()},
        "variant": variants,
        "reference": [references.get(variant) for variant in variants],
        "stratum": summary["stratum"].to_pylist(),
        "pages": summary["pages"].to_pylist(),
        "profiles": summary["profiles"].to_pylist(),
        "mean": mean,
        "mean_low": low,
        "mean_high": high,
        **columns,
    }
    return pa.table(
        {
            column.name: round_floats(
                pa.array(known[column.name], column.type, from_pandas=True)
            )
            if column.name in known
            else pa.nulls(len(summary), column.type)
            for column in METRICS_SCHEMA
        },
        schema=METRICS_SCHEMA,
    )


def _labels(metric: Metric) -> dict[str, str]:
    return {
        "metric": metric.name,
        "family": metric.family.value,
        "unit": metric.unit.value,
        "direction": metric.direction.value,
    }


def _error(summary: pa.Table, column: str) -> Float64Array:
    return standard_error(
        _floats(summary, f"squares_{column}"),
        _floats(summary, "pages"),
        _floats(summary, "profiles"),
    )


def _floats(summary: pa.Table, name: str) -> Float64Array:
    column: Float64Array = summary[name].to_numpy(zero_copy_only=False).astype(np.float64)
    return column
