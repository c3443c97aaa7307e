"""Findings: the direction of a result, and how certain it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from experiments.metrics.definitions.definition import LOGGED, OVERALL, Direction, Family
from experiments.metrics.definitions.registry import METRICS

if TYPE_CHECKING:
    import pyarrow as pa

    from experiments.metrics.definitions.definition import Metric

SIGNIFICANCE = 0.05
"""Differences with an adjusted p value below this are called clear."""


class Verdict(StrEnum):
    """Say what a difference amounts to."""

    BETTER = "better"
    WORSE = "worse"
    DIFFERENT = "different"
    """Clear, of a metric without a better way."""
    UNCLEAR = "unclear"
    """May be chance."""
    SAME = "same"
    """No page differs."""
    UNTESTED = "untested"
    """Has no interval: coverage, or too few members."""


@dataclass(frozen=True, slots=True)
class Result:
    """Hold one record of the results; see `comparison.METRICS_SCHEMA`."""

    metric: Metric
    variant: str
    reference: str | None
    stratum: str
    pages: int
    profiles: int
    mean: float
    mean_low: float | None
    mean_high: float | None
    reference_mean: float | None
    difference: float | None
    relative: float | None
    ci_low: float | None
    ci_high: float | None
    p_value: float | None
    p_adjusted: float | None

    @property
    def half_width(self) -> float | None:
        """Half the width of the difference's interval, None if it has none."""
        if self.ci_low is None or self.ci_high is None:
            return None
        return (self.ci_high - self.ci_low) / 2

    @property
    def verdict(self) -> Verdict:
        """Return what the difference amounts to."""
        if self.difference is None or self.ci_low is None:
            return Verdict.UNTESTED
        if self.p_value is None:
            return Verdict.SAME
        if self.p_adjusted is None or self.p_adjusted >= SIGNIFICANCE:
            return Verdict.UNCLEAR
        if self.metric.direction is Direction.NEITHER:
            return Verdict.DIFFERENT
        is_higher_better = self.metric.direction is Direction.HIGHER
        return Verdict.BETTER if (self.difference > 0) == is_higher_better else Verdict.WORSE


@dataclass(frozen=True, slots=True)
class Findings:
    """Hold all results of a run, for looking up.

    Args:
        variants: Control first.
        results: In the order of the metrics.
    """

    variants: tuple[str, ...]
    results: tuple[Result, ...]

    @classmethod
    def of(cls, table: pa.Table) -> Findings:
        """Return the findings of a table as in `comparison.METRICS_SCHEMA`."""
        metrics = {metric.name: metric for metric in METRICS}
        order = {name: place for place, name in enumerate(metrics)}
        derived = ("metric", "family", "unit", "direction", "standard_error")
        results = [
            Result(
                metric=metrics[record["metric"]],
                **{name: value for name, value in record.items() if name not in derived},
            )
            for record in table.to_pylist()
            if record["metric"] in metrics
        ]
        results.sort(key=lambda result: order[result.metric.name])
        found = dict.fromkeys(result.variant for result in results)
        # Only control has means of its own, without a reference.
        control = next(result.variant for result in results if result.reference is None)
        treatments = (variant for variant in found if variant != control)
        return cls((control, *treatments), tuple(results))

    @property
    def control(self) -> str:
        """The variant that the others are compared with."""
        return self.variants[0]

    @property
    def treatments(self) -> tuple[str, ...]:
        """The variants that are compared with control."""
        return self.variants[1:]

    @property
    def looks(self) -> int:
        """How many differences were tested, and p values adjusted for."""
        return sum(result.p_adjusted is not None for result in self.results)

    @property
    def strata(self) -> tuple[str, ...]:
        """The strata, without the one that holds every page."""
        return tuple(sorted({result.stratum for result in self.results} - {OVERALL}))

    def find(
        self,
        metric: str,
        variant: str,
        reference: str | None,
        stratum: str = OVERALL,
    ) -> Result | None:
        """Return one result, None where there is none."""
        for result in self.results:
            if (result.metric.name, result.variant, result.reference, result.stratum) == (
                metric,
                variant,
                reference,
                stratum,
            ):
                return result
        return None

    def of_control(self, metric: str, stratum: str = OVERALL) -> Result | None:
        """Return control's own mean."""
        return self.find(metric, self.control, None, stratum)

    def of_treatment(
        self, metric: str, treatment: str, stratum: str = OVERALL
    ) -> Result | None:
        """Return a treatment against control."""
        return self.find(metric, treatment, self.control, stratum)

    def fidelity(self, metric: str, stratum: str = OVERALL) -> Result | None:
        """Return control against the logged pages."""
        return self.find(metric, self.control, LOGGED, stratum)

    def of_family(
        self, family: Family, treatment: str, stratum: str = OVERALL
    ) -> tuple[Result, ...]:
        """Return a treatment's results of a family, in the order of the metrics."""
        found = (
            self.of_treatment(metric.name, treatment, stratum)
            for metric in self.metrics(family)
        )
        return tuple(result for result in found if result is not None)

    def metrics(self, family: Family) -> tuple[Metric, ...]:
        """Return the metrics of a family that have a result."""
        present = {result.metric.name for result in self.results}
        return tuple(
            metric for metric in METRICS if metric.family is family and metric.name in present
        )
