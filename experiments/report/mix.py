"""The mix of row types of every variant, as a chart and as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.metrics.definitions.definition import LOGGED, Family
from experiments.report.charts import Segment, draw_stack
from experiments.report.figures import format_value
from experiments.report.lines import ROW_SHARE, make_line
from services.page.model import RowType

if TYPE_CHECKING:
    from experiments.metrics.definitions.definition import Metric
    from experiments.report.findings import Findings
    from experiments.report.lines import Cell

_PLACES = {row_type.label: place for place, row_type in enumerate(RowType)}


@dataclass(frozen=True, slots=True)
class MixLine:
    """Hold the share of one row type; `style` colours it, `logged` is "" without a log."""

    title: str
    style: str
    logged: str
    control: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Mix:
    """Hold the row types that occur, and the bar of every variant, logged first."""

    lines: tuple[MixLine, ...]
    bars: tuple[tuple[str, str], ...]
    has_logged: bool


def make_mix(findings: Findings) -> Mix:
    """Return the mix of row types of the logged pages, of control and of each treatment."""
    metrics = [
        metric
        for metric in findings.metrics(Family.COMPOSITION)
        if metric.name.startswith(ROW_SHARE)
    ]
    owners: dict[str, dict[str, float]] = {}
    logged = {
        metric.name: found.reference_mean
        for metric in metrics
        if (found := findings.fidelity(metric.name)) and found.reference_mean is not None
    }
    if logged:
        owners[LOGGED] = logged
    owners[findings.control] = {
        metric.name: found.mean
        for metric in metrics
        if (found := findings.of_control(metric.name))
    }
    for treatment in findings.treatments:
        owners[treatment] = {
            metric.name: found.mean
            for metric in metrics
            if (found := findings.of_treatment(metric.name, treatment))
        }
    present = [
        metric
        for metric in metrics
        if any(shares.get(metric.name) for shares in owners.values())
    ]
    return Mix(
        lines=tuple(_line(findings, own, logged) for own in present),
        bars=tuple((name, _bar(name, shares, present)) for name, shares in owners.items()),
        has_logged=bool(logged),
    )


def _line(findings: Findings, metric: Metric, logged: dict[str, float]) -> MixLine:
    line = make_line(findings, metric, findings.treatments)
    return MixLine(
        title=_title(metric),
        style=_style(metric),
        logged=format_value(logged[metric.name], metric.unit) if metric.name in logged else "",
        control=line.control,
        cells=line.cells,
    )


def _bar(name: str, shares: dict[str, float], metrics: list[Metric]) -> str:
    segments = [
        Segment(_title(metric), shares.get(metric.name, 0.0), _style(metric))
        for metric in metrics
    ]
    told = ", ".join(
        f"{segment.label} {segment.share:.0%}"
        for segment in segments
        if round(segment.share, 2) > 0
    )
    return draw_stack(segments, label=f"Rows of {name}: {told}")


def _title(metric: Metric) -> str:
    return _label(metric).replace("_", " ")


def _style(metric: Metric) -> str:
    return f"mix-{_PLACES[_label(metric)]}"


def _label(metric: Metric) -> str:
    return metric.name.removeprefix(ROW_SHARE)
