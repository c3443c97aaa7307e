"""Prepares the figures of a report: cards, tables, strata and the mix of rows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.metrics.comparison import OVERALL
from experiments.metrics.definition import LOGGED, Direction, Family
from experiments.report.charts import Segment, draw_interval, draw_share, draw_stack
from experiments.report.figures import (
    NOTHING,
    count_of,
    format_count,
    format_difference,
    format_interval,
    format_value,
)
from experiments.report.findings import Verdict
from services.page.model import RowType

if TYPE_CHECKING:
    from experiments.metrics.definition import Metric
    from experiments.report.description import RunDescription, VariantDescription
    from experiments.report.findings import Findings, Result

ROW_SHARE = "row_share_"
HEADLINES = ("recall_in_view", "page_ndcg", "scroll_effort")
"""Metrics that a card shows first, where they have a value."""
STRATUM_METRICS = ("changed_pages", "recall_in_view", "page_ndcg")
FAMILIES = {
    Family.RECALL: "What members played next",
    Family.SIMILARITY: "How near the pages are to control",
    Family.COMPOSITION: "What is on the pages",
}
VERDICTS = {
    Verdict.BETTER: ("\N{BLACK UP-POINTING TRIANGLE}", "clearly better"),
    Verdict.WORSE: ("\N{BLACK DOWN-POINTING TRIANGLE}", "clearly worse"),
    Verdict.DIFFERENT: ("\N{BLACK DIAMOND}", "clearly different"),
    Verdict.UNCLEAR: ("\N{WHITE CIRCLE}", "may be chance"),
    Verdict.SAME: ("=", "same on every page"),
    Verdict.UNTESTED: ("", "not tested"),
}
"""The sign of each verdict, and what it says."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Hold one treatment's figure against control, written out."""

    value: str
    difference: str
    interval: str
    drawing: str
    verdict: str
    sign: str
    saying: str


@dataclass(frozen=True, slots=True)
class Line:
    """Hold one line of a table of figures."""

    title: str
    description: str
    better: str
    control: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Hold the lines of one family of metrics."""

    title: str
    lines: tuple[Line, ...]
    has_control: bool


@dataclass(frozen=True, slots=True)
class Card:
    """Say in brief what one treatment does, and to whom."""

    name: str
    description: str
    overlay: str
    changed: str
    changed_drawing: str
    for_whom: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Fidelity:
    """Say how far simulated control is from what was really shown."""

    share: str
    drawing: str
    sentence: str
    grade: str
    figures: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Mix:
    """Hold the share of each row type of one variant, drawn and in words."""

    variant: str
    drawing: str
    shares: tuple[str, ...]


def make_cards(run: RunDescription, findings: Findings) -> list[Card]:
    """Return one card per treatment."""
    return [
        _card(variant, findings)
        for variant in run.variants
        if variant.name in findings.treatments
    ]


def make_fidelity(findings: Findings) -> Fidelity | None:
    """Return how control compares with the logged pages, None if there are none."""
    identical = findings.fidelity("identical_pages")
    if identical is None:
        return None
    equal = round(identical.mean * identical.pages)
    unit = identical.metric.unit
    share = format_value(identical.mean, unit)
    grade = "full" if equal == identical.pages else "high" if identical.mean >= 0.95 else "low"  # noqa: PLR2004 - the gate
    others = ("changed_pages", "row_overlap", "in_row_overlap", "viewport_overlap")
    found = [findings.fidelity(name) for name in others]
    return Fidelity(
        share=share,
        drawing=draw_share(identical.mean, label=f"{share} of pages are equal"),
        sentence=(
            f"Simulated control equals the page that was really shown, byte for byte, on "
            f"{format_count(equal)} of {count_of(identical.pages, 'page')}."
        ),
        grade=grade,
        figures=tuple(
            (own.metric.title, format_value(own.mean, own.metric.unit))
            for own in found
            if own is not None
        ),
    )


def make_sections(findings: Findings) -> list[Section]:
    """Return the tables of all metrics but row types, family by family."""
    sections = []
    for family, title in FAMILIES.items():
        metrics = [
            own for own in findings.metrics(family) if not own.name.startswith(ROW_SHARE)
        ]
        lines = [make_line(findings, metric) for metric in metrics]
        if lines:
            has_control = family is not Family.SIMILARITY
            sections.append(Section(title, tuple(lines), has_control))
    return sections


def make_line(findings: Findings, metric: Metric, stratum: str = OVERALL) -> Line:
    """Return one metric of every treatment; its drawings share one scale."""
    found = [findings.of_treatment(metric.name, own, stratum) for own in findings.treatments]
    reach = max(
        (
            abs(end)
            for own in found
            if own
            for end in (own.ci_low, own.ci_high)
            if end is not None
        ),
        default=0.0,
    )
    control = findings.of_control(metric.name, stratum)
    better = {Direction.HIGHER: "more is better", Direction.LOWER: "less is better"}
    return Line(
        title=metric.title,
        description=metric.description,
        better=better.get(metric.direction, ""),
        control=format_value(None if control is None else control.mean, metric.unit),
        cells=tuple(_cell(own, reach) for own in found),
    )


def make_strata(findings: Findings) -> list[tuple[str, int, list[Line]]]:
    """Return the lines of each stratum, with its number of pages."""
    lines = []
    for stratum in findings.strata:
        sizes = [
            own.pages
            for treatment in findings.treatments
            if (own := findings.of_treatment("changed_pages", treatment, stratum))
        ]
        metrics = [
            own
            for family in (Family.SIMILARITY, Family.RECALL)
            for own in findings.metrics(family)
            if own.name in STRATUM_METRICS
        ]
        if sizes:
            made = [make_line(findings, metric, stratum) for metric in metrics]
            lines.append((stratum, max(sizes), made))
    return lines


def make_mix(findings: Findings) -> tuple[list[str], list[Mix]]:
    """Return the row types that occur, and the mix of each variant, logged first."""
    owners: list[tuple[str, dict[str, float]]] = []
    shares = {
        row_type.label: findings.fidelity(ROW_SHARE + row_type.label) for row_type in RowType
    }
    logged = {
        label: own.reference_mean
        for label, own in shares.items()
        if own is not None and own.reference_mean is not None
    }
    if logged:
        owners.append((LOGGED, logged))
    owners.append((findings.control, _mix_of(findings, findings.control)))
    owners += [(own, _mix_of(findings, own)) for own in findings.treatments]
    labels = [own.label for own in RowType if any(mix.get(own.label) for _, mix in owners)]
    order = {own.label: place for place, own in enumerate(RowType)}
    mixes = [
        Mix(
            variant=variant,
            drawing=draw_stack(
                [
                    Segment(_readable(label), mix.get(label, 0.0), f"mix-{order[label]}")
                    for label in labels
                ],
                label=f"Row types of {variant}",
            ),
            shares=tuple(f"{mix.get(label, 0.0):.1%}" for label in labels),
        )
        for variant, mix in owners
    ]
    return labels, mixes


def _mix_of(findings: Findings, variant: str) -> dict[str, float]:
    mix = {}
    for row_type in RowType:
        name = ROW_SHARE + row_type.label
        if variant == findings.control:
            own = findings.of_control(name)
        else:
            own = findings.of_treatment(name, variant)
        if own is not None:
            mix[row_type.label] = own.mean
    return mix


def _card(variant: VariantDescription, findings: Findings) -> Card:
    changed = findings.of_treatment("changed_pages", variant.name)
    share = 0.0 if changed is None else changed.mean
    own_findings = type(findings)((findings.control, variant.name), findings.results)
    metrics = {own.name: own for own in findings.metrics(Family.RECALL)}
    unit = None if changed is None else changed.metric.unit
    text = "" if unit is None else format_value(share, unit)
    return Card(
        name=variant.name,
        description=variant.description,
        overlay=json.dumps(variant.overlay, indent=2, ensure_ascii=False),
        changed=text,
        changed_drawing=draw_share(share, label=f"{text} of pages look different"),
        for_whom=_for_whom(findings, variant.name),
        lines=tuple(
            make_line(own_findings, metrics[name]) for name in HEADLINES if name in metrics
        ),
    )


def _for_whom(findings: Findings, treatment: str) -> str:
    found = [
        own
        for stratum in findings.strata
        if (own := findings.of_treatment("changed_pages", treatment, stratum))
    ]
    if len(found) < 2:  # noqa: PLR2004 - nothing to compare
        return ""
    most = max(found, key=lambda own: own.mean)
    least = min(found, key=lambda own: own.mean)
    unit = most.metric.unit
    if format_value(most.mean, unit) == format_value(least.mean, unit):
        return f"The same share in all {len(found)} strata."
    return (
        f"Most in {most.stratum} ({format_value(most.mean, unit)}), least in "
        f"{least.stratum} ({format_value(least.mean, unit)})."
    )


def _cell(result: Result | None, reach: float) -> Cell:
    if result is None:
        return Cell(NOTHING, "", "", "", Verdict.UNTESTED.value, "", "")
    unit, verdict = result.metric.unit, result.verdict
    sign, saying = VERDICTS[verdict]
    difference = interval = drawing = ""
    if result.difference is not None:
        difference = format_difference(result.difference, unit)
    if verdict is Verdict.SAME:
        difference = "no difference"
    elif (
        result.difference is not None
        and result.ci_low is not None
        and result.ci_high is not None
    ):
        interval = format_interval(result.ci_low, result.ci_high, unit)
        drawing = draw_interval(
            result.difference,
            result.ci_low,
            result.ci_high,
            reach,
            style=verdict.value,
            label=f"{difference}, 95 % interval {interval}, {saying}",
        )
    return Cell(
        value=format_value(result.mean, unit),
        difference=difference,
        interval=interval,
        drawing=drawing,
        verdict=verdict.value,
        sign=sign,
        saying=saying,
    )


def _readable(label: str) -> str:
    return label.replace("_", " ")
