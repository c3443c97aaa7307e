"""Lines of result tables: a metric of control, and of each treatment against it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.metrics.definitions.definition import OVERALL, Family
from experiments.report.charts import draw_interval
from experiments.report.figures import (
    NOTHING,
    count_of,
    format_count,
    format_difference,
    format_interval,
    format_p_value,
    format_spread,
    format_value,
)
from experiments.report.findings import Verdict
from experiments.report.wording import BETTER, FAMILIES, UNITS, VERDICTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from experiments.metrics.definitions.definition import Metric
    from experiments.report.findings import Findings, Result

ROW_SHARE = "row_share_"
"""How the names of metrics begin that count one type of rows."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Hold one treatment's figure against control, written out.

    `order` is what a table is sorted by: the difference, or the value where there is none.
    """

    value: str
    spread: str
    difference: str
    interval: str
    drawing: str
    verdict: str
    sign: str
    saying: str
    p_value: str
    order: float | None


@dataclass(frozen=True, slots=True)
class Line:
    """Hold one line of a table of figures; `size` says of how many pages and members."""

    title: str
    standard_name: str
    description: str
    unit: str
    better: str
    size: str
    control: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Hold the lines of one family of metrics; `size` is that of most of them."""

    title: str
    size: str
    lines: tuple[Line, ...]
    has_control: bool


def make_sections(findings: Findings) -> list[Section]:
    """Return the tables of all metrics but row types, family by family."""
    sections = []
    for family, title in FAMILIES.items():
        metrics = [
            metric
            for metric in findings.metrics(family)
            if not metric.name.startswith(ROW_SHARE)
        ]
        lines = [make_line(findings, metric, findings.treatments) for metric in metrics]
        if lines:
            has_control = family is not Family.SIMILARITY
            size = Counter(line.size for line in lines).most_common(1)[0][0]
            sections.append(Section(title, size, tuple(lines), has_control))
    return sections


def make_line(
    findings: Findings,
    metric: Metric,
    treatments: Sequence[str],
    stratum: str = OVERALL,
    reach: float | None = None,
) -> Line:
    """Return one metric of some treatments.

    Args:
        findings: What was found.
        metric: Which metric.
        treatments: Whose figures, in this order.
        stratum: Of which pages.
        reach: The difference at either edge of the drawings; None fits the line's own.
    """
    found = [findings.of_treatment(metric.name, treatment, stratum) for treatment in treatments]
    known = [result for result in found if result is not None]
    control = findings.of_control(metric.name, stratum)
    scale = reach_of(known) if reach is None else reach
    return Line(
        title=metric.title,
        standard_name=metric.standard_name,
        description=metric.description,
        unit="" if UNITS[metric.unit] in metric.title.lower() else UNITS[metric.unit],
        better=BETTER[metric.direction],
        size=describe_size([*known, *([control] if control else [])]),
        control=format_value(None if control is None else control.mean, metric.unit),
        cells=tuple(_cell(result, scale) for result in found),
    )


def reach_of(results: Iterable[Result]) -> float:
    """Return how far from zero the farthest interval of some results ends."""
    ends = [end for result in results for end in (result.ci_low, result.ci_high)]
    return max((abs(end) for end in ends if end is not None), default=0.0)


def describe_size(results: Sequence[Result]) -> str:
    """Return of how many pages and members some results are, e.g. "234 pages, 143 members"."""
    pages = sorted({result.pages for result in results})
    members = sorted({result.profiles for result in results})
    if not pages:
        return ""
    return f"{_range_of(pages, 'page')}, {_range_of(members, 'member')}"


def _range_of(counts: Sequence[int], noun: str) -> str:
    least, most = counts[0], counts[-1]
    if least == most:
        return count_of(most, noun)
    return f"{format_count(least)} to {count_of(most, noun)}"


def _cell(result: Result | None, reach: float) -> Cell:
    if result is None:
        return Cell(NOTHING, "", "", "", "", Verdict.UNTESTED.value, "", "", "", None)
    unit, verdict = result.metric.unit, result.verdict
    sign, saying = VERDICTS[verdict]
    difference = spread = interval = drawing = p_value = ""
    if result.difference is not None:
        difference = format_difference(result.difference, unit, result.half_width)
    else:
        # Likeness is measured against control in itself: it is a value, not a difference.
        spread, saying = format_spread(result.mean_low, result.mean_high, unit), ""
    if verdict is Verdict.SAME:
        difference = "no difference"
    elif verdict is Verdict.UNTESTED and difference:
        interval = saying
    elif result.ci_low is not None and result.ci_high is not None:
        interval = format_interval(result.ci_low, result.ci_high, unit)
        drawing = draw_interval(
            result.difference or 0.0,
            result.ci_low,
            result.ci_high,
            reach,
            style=verdict.value,
            label=f"95 % interval {interval}",
        )
        if result.p_adjusted is not None:
            p_value = f"adjusted {format_p_value(result.p_adjusted)}"
    return Cell(
        value=format_value(result.mean, unit),
        spread=spread,
        difference=difference,
        interval=interval,
        drawing=drawing,
        verdict=verdict.value,
        sign=sign,
        saying=saying,
        p_value=p_value,
        order=result.mean if result.difference is None else result.difference,
    )
