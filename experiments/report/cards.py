"""The first part of a report: a card for each treatment, and how far to trust it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.metrics.definitions.definition import Family
from experiments.report.answers import answer
from experiments.report.charts import draw_share
from experiments.report.figures import count_of, format_count, format_spread, format_value
from experiments.report.findings import Verdict
from experiments.report.lines import make_line
from experiments.report.strata import describe_changed_strata, describe_outliers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from experiments.report.answers import Answer
    from experiments.report.description import RunDescription, VariantDescription
    from experiments.report.findings import Findings
    from experiments.report.lines import Line
    from timetravel.facts.model import JsonValue

_HEADLINES = ("recall_in_view", "page_ndcg", "scroll_effort")
"""Metrics that a card shows first, where they have a value."""
_LIKENESS = ("changed_pages", "row_overlap", "in_row_overlap", "viewport_overlap")
_HIGH = 0.95


@dataclass(frozen=True, slots=True)
class Card:
    """Say in brief what one treatment does, and to whom."""

    name: str
    description: str
    overlay: Mapping[str, JsonValue]
    answer: Answer
    changed: str
    changed_spread: str
    changed_drawing: str
    for_whom: tuple[str, ...]
    size: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Fidelity:
    """Say how far simulated control is from what was really shown.

    `grade` is "full", "high" or "low".
    """

    share: str
    drawing: str
    sentence: str
    grade: str
    figures: tuple[tuple[str, str], ...]


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
    is_full = equal == identical.pages
    share = format_value(identical.mean, identical.metric.unit)
    if not is_full and share.startswith("100"):
        share = f"under {share}"
    found = [] if is_full else [findings.fidelity(name) for name in _LIKENESS]
    return Fidelity(
        share=share,
        drawing=draw_share(identical.mean, label=f"{share} of pages are equal"),
        sentence=(
            "Simulated control equals the page that was really shown, byte for byte, on "
            f"{format_count(equal)} of {count_of(identical.pages, 'page')}."
        ),
        grade="full" if is_full else "high" if identical.mean >= _HIGH else "low",
        figures=tuple(
            (result.metric.title, format_value(result.mean, result.metric.unit))
            for result in found
            if result is not None
        ),
    )


def make_warnings(run: RunDescription, findings: Findings) -> list[str]:
    """Return what a reader must know before believing any figure, most often nothing."""
    told = []
    if run.failures:
        told.append(
            f"{format_count(run.failures)} of {count_of(run.asked, 'page')} could not be made "
            "and are left out. The column `failure` of the run's pages says why."
        )
        told += [one.sentence for one in run.yields if one.failures]
    if run.measured.known_by is not None:
        told.append(
            "Facts were read as they became known later, not as of each page's moment: these "
            "pages may know more than the live system did."
        )
    told += [
        f"{own.treatment} shows {', '.join(own.broken)}."
        for own in (answer(findings, name) for name in findings.treatments)
        if own.broken
    ]
    return told


def _card(variant: VariantDescription, findings: Findings) -> Card:
    name = variant.name
    changed = findings.of_treatment("changed_pages", name)
    share = 0.0 if changed is None else changed.mean
    unit = None if changed is None else changed.metric.unit
    text = "" if unit is None else format_value(share, unit)
    metrics = {metric.name: metric for metric in findings.metrics(Family.RECALL)}
    lines = tuple(
        make_line(findings, metrics[one], (name,)) for one in _HEADLINES if one in metrics
    )
    return Card(
        name=name,
        description=variant.description,
        overlay=variant.overlay,
        answer=answer(findings, name),
        changed=text,
        changed_spread=""
        if changed is None
        else format_spread(changed.mean_low, changed.mean_high, changed.metric.unit),
        changed_drawing=draw_share(share, label=f"{text} of pages look different"),
        for_whom=(
            *describe_changed_strata(findings, name),
            *describe_outliers(findings, name, Verdict.BETTER),
            *describe_outliers(findings, name, Verdict.WORSE),
        ),
        size=lines[0].size if lines else "",
        lines=lines,
    )
