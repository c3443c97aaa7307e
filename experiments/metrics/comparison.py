"""Compares variants: means, paired differences and intervals per stratum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from experiments.metrics.definitions.definition import LOGGED, OVERALL, Family
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
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Self

    import ibis.expr.types as ir

    from core.arrays import Float64Array
    from experiments.metrics.definitions.definition import Metric

_PARTS: Final = ("own", "other", "difference")

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
    similarity = [one for one in PAGE_METRICS if one.family is Family.SIMILARITY]
    others = [one for one in PAGE_METRICS if one.family is not Family.SIMILARITY]
    return pa.concat_tables(
        [
            METRICS_SCHEMA.empty_table(),
            *_means(values, similarity, pairs),
            *_means(values, others, dict.fromkeys(alone)),
            *_differences(values, others, pairs),
        ]
    )


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


def _with_overall(values: ir.Table) -> ir.Table:
    """Return the pages of each stratum, and all of them once more as one stratum."""
    stratified = values.filter(values.stratum != OVERALL)
    return ibis.union(stratified, values.mutate(stratum=ibis.literal(OVERALL)))


def _means(
    values: ir.Table, metrics: Sequence[Metric], references: Mapping[str, str | None]
) -> Iterator[pa.Table]:
    own = values.filter(values.variant.isin(list(references)))
    names = [metric.name for metric in metrics]
    summary = _in_order(clustered_summary(own, names))
    for metric in metrics:
        yield _describe(metric, _Summary.of(summary, metric.name), references, {})


def _differences(
    values: ir.Table, metrics: Sequence[Metric], references: Mapping[str, str]
) -> Iterator[pa.Table]:
    names = [metric.name for metric in metrics]
    pairs = _pair(values, names, references)
    columns = [f"{part}_{name}" for name in names for part in _PARTS]
    summary = _in_order(clustered_summary(pairs, columns))
    for metric in metrics:
        own, other, difference = (
            _Summary.of(summary, f"{part}_{metric.name}") for part in _PARTS
        )
        mean, error, profiles = difference.mean, difference.error, difference.profiles
        low, high = t_interval(mean, error, profiles)
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = np.where(other.mean == 0, np.nan, mean / other.mean)
        columns_of_difference = {
            "reference_mean": other.mean,
            "difference": mean,
            "relative": relative,
            "standard_error": error,
            "ci_low": low,
            "ci_high": high,
            "p_value": t_p_value(mean, error, profiles),
        }
        yield _describe(metric, own, references, columns_of_difference)


def _pair(values: ir.Table, names: Sequence[str], references: Mapping[str, str]) -> ir.Table:
    """Return the values of pages, of their references and between, where both have one."""
    own = values.filter(values.variant.isin(list(references)))
    own = own.select("variant", "stratum", "page_id", "profile_id", *names)
    own = own.mutate(reference=own.variant.substitute(dict(references)))
    others = values.select(
        "page_id",
        "stratum",
        reference=values.variant,
        **{f"of_reference_{name}": values[name] for name in names},
    )
    # A view and a closing projection: Ibis confuses the columns of a table joined to itself.
    others = others.view()
    keys = ("reference", "stratum", "page_id")
    pairs = own.join(others, [own[key] == others[key] for key in keys], rname="{name}_right")
    pairs = pairs.select(*own.columns, *(name for name in others.columns if name not in keys))
    columns: dict[str, ir.Value] = {}
    for name in names:
        one, other = pairs[name], pairs[f"of_reference_{name}"]
        difference = one - other
        known = difference.notnull()
        values_of_pair = (known.ifelse(one, None), known.ifelse(other, None), difference)
        columns |= {
            f"{part}_{name}": column
            for part, column in zip(_PARTS, values_of_pair, strict=True)
        }
    return pairs.select("variant", "stratum", "profile_id", **columns)


@dataclass(frozen=True, slots=True)
class _Summary:
    """What `clustered_summary` says of one column, where there is any value."""

    variants: Sequence[str]
    strata: Sequence[str]
    pages: Float64Array
    profiles: Float64Array
    mean: Float64Array
    error: Float64Array

    @classmethod
    def of(cls, summary: pa.Table, column: str) -> Self:
        summary = summary.filter(pc.field(f"pages_{column}") > 0)
        pages, profiles, mean, squares = (
            summary[f"{part}_{column}"].to_numpy(zero_copy_only=False).astype(np.float64)
            for part in ("pages", "profiles", "mean", "squares")
        )
        return cls(
            summary["variant"].to_pylist(),
            summary["stratum"].to_pylist(),
            pages,
            profiles,
            mean,
            standard_error(squares, pages, profiles),
        )


def _in_order(summary: ir.Table) -> pa.Table:
    return summary.order_by("variant", "stratum").to_pyarrow()


def _describe(
    metric: Metric,
    summary: _Summary,
    references: Mapping[str, str | None],
    columns: Mapping[str, Float64Array],
) -> pa.Table:
    size = len(summary.variants)
    low, high = t_interval(summary.mean, summary.error, summary.profiles)
    known: dict[str, Sequence[object] | Float64Array] = {
        **{name: [value] * size for name, value in _labels(metric).items()},
        "variant": summary.variants,
        "reference": [references[variant] for variant in summary.variants],
        "stratum": summary.strata,
        "pages": summary.pages.astype(np.int64),
        "profiles": summary.profiles.astype(np.int64),
        "mean": summary.mean,
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
            else pa.nulls(size, column.type)
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
