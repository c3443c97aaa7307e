"""Results by stratum, metric by metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.metrics.definitions.definition import OVERALL, Family
from experiments.report.figures import format_value
from experiments.report.lines import make_line, reach_of
from experiments.report.wording import join_names

if TYPE_CHECKING:
    from experiments.metrics.definitions.definition import Metric
    from experiments.report.findings import Findings, Result, Verdict
    from experiments.report.lines import Line

_METRICS = ("recall_in_view", "page_ndcg", "changed_pages")
FEW_MEMBERS = 30
"""Below this an interval is a rough guess: the t distribution is asked too much of."""
_WIDEST = 4.0
"""Drawings reach at most this many times as far as that of everyone; arrows go beyond."""
_EVERYONE = "everyone"


@dataclass(frozen=True, slots=True)
class StratumLine:
    """Hold one stratum of one metric."""

    stratum: str
    pages: int
    members: int
    is_everyone: bool
    has_few: bool
    line: Line


@dataclass(frozen=True, slots=True)
class StrataOfMetric:
    """Hold every stratum of one metric, everyone first; drawings share one scale."""

    title: str
    better: str
    has_control: bool
    lines: tuple[StratumLine, ...]


def make_strata(findings: Findings) -> list[StrataOfMetric]:
    """Return the strata of the metrics that matter most, none if there is one stratum."""
    if not findings.strata:
        return []
    metrics = {
        metric.name: metric
        for family in (Family.RECALL, Family.SIMILARITY)
        for metric in findings.metrics(family)
    }
    return [_strata_of(findings, metrics[name]) for name in _METRICS if name in metrics]


def describe_changed_strata(findings: Findings, treatment: str) -> tuple[str, ...]:
    """Return in which strata a treatment changes most and least pages, and whether by chance.

    Empty where there are no two strata.
    """
    found = _of_strata(findings, "changed_pages", treatment)
    if len(found) < 2:  # noqa: PLR2004 - nothing to compare
        return ()
    most, least = (
        max(found, key=lambda own: own.mean),
        min(found, key=lambda own: own.mean),
    )
    unit = most.metric.unit
    high, low = format_value(most.mean, unit), format_value(least.mean, unit)
    if high == low:
        return (f"The same share in all {len(found)} strata.",)
    told = f"From {low} ({least.stratum}) to {high} ({most.stratum})"
    if min(least.profiles, most.profiles) < FEW_MEMBERS:
        return (f"{told}; of too few members to tell them apart.",)
    if _are_apart(least, most):
        return (f"{told}; more apart than chance would put them.",)
    return (f"{told}; no more apart than chance may put them.",)


def describe_outliers(findings: Findings, treatment: str, verdict: Verdict) -> tuple[str, ...]:
    """Return the strata in which what was played next has a verdict; empty without any.

    Strata of few members do not count: theirs would be too often by luck.
    """
    metrics = findings.metrics(Family.RECALL)
    names = dict.fromkeys(
        result.stratum
        for metric in metrics
        for result in _of_strata(findings, metric.name, treatment)
        if result.verdict is verdict and result.profiles >= FEW_MEMBERS
    )
    if not names:
        return ()
    return (f"Clearly {verdict.value} for {join_names(list(names))}.",)


def _of_strata(findings: Findings, metric: str, treatment: str) -> list[Result]:
    found = (findings.of_treatment(metric, treatment, name) for name in findings.strata)
    return [result for result in found if result is not None]


def _are_apart(least: Result, most: Result) -> bool:
    if least.mean_high is None or most.mean_low is None:
        return False
    return least.mean_high < most.mean_low


def _strata_of(findings: Findings, metric: Metric) -> StrataOfMetric:
    overall = [findings.of_treatment(metric.name, name) for name in findings.treatments]
    everywhere = [
        result
        for treatment in findings.treatments
        for result in _of_strata(findings, metric.name, treatment)
    ]
    widest = reach_of(result for result in overall if result is not None)
    reach = min(reach_of(everywhere), _WIDEST * widest) if widest else reach_of(everywhere)
    lines = [
        _stratum_line(findings, metric, stratum, max(reach, widest))
        for stratum in (OVERALL, *findings.strata)
    ]
    first = lines[0].line if lines else None
    return StrataOfMetric(
        title=metric.title,
        better=first.better if first else "",
        has_control=metric.family is not Family.SIMILARITY,
        lines=tuple(lines),
    )


def _stratum_line(
    findings: Findings, metric: Metric, stratum: str, reach: float
) -> StratumLine:
    sizes = [
        own
        for treatment in findings.treatments
        if (own := findings.of_treatment(metric.name, treatment, stratum))
    ]
    members = max((size.profiles for size in sizes), default=0)
    return StratumLine(
        stratum=_EVERYONE if stratum == OVERALL else stratum,
        pages=max((size.pages for size in sizes), default=0),
        members=members,
        is_everyone=stratum == OVERALL,
        has_few=members < FEW_MEMBERS,
        line=make_line(findings, metric, findings.treatments, stratum, reach),
    )
