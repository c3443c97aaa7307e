"""Shows results in the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich import box
from rich.columns import Columns
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from experiments.metrics.definitions.definition import Family
from experiments.report.answers import answer_all, make_headline
from experiments.report.figures import (
    count_of,
    format_difference,
    format_half_width,
    format_spread,
    format_value,
)
from experiments.report.findings import Findings, Verdict
from experiments.report.lines import ROW_SHARE, describe_size
from experiments.report.wording import FAMILIES, VERDICTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from rich.console import Console, ConsoleOptions, RenderableType

    from experiments.metrics.definitions.definition import Metric
    from experiments.report.findings import Result

_STYLES = {
    Verdict.BETTER: "bold green",
    Verdict.WORSE: "bold red",
    Verdict.DIFFERENT: "bold magenta",
    Verdict.UNCLEAR: "dim",
    Verdict.SAME: "dim",
    Verdict.UNTESTED: "",
}
_ANY = 10_000
_FIGURE_WIDTH = 8


def render(results: pa.Table) -> RenderableType:
    """Return what an experiment found: the answer, how far to trust it, then every figure.

    Treatments stand side by side where the terminal is wide enough, else one below the other.

    Args:
        results: As in `comparison.METRICS_SCHEMA`.
    """
    return _Comparison(Findings.of(results))


@dataclass(frozen=True, slots=True)
class _Comparison:
    findings: Findings

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        findings = self.findings
        yield Text(make_headline(findings), style="bold")
        yield render_fidelity(findings)
        yield ""
        yield from _answers(findings)
        together = _table(findings, findings.treatments)
        if Measurement.get(console, options.update(max_width=_ANY), together).maximum <= (
            options.max_width
        ):
            yield together
        else:
            for treatment in findings.treatments:
                yield _table(findings, [treatment])
        yield _legend()
        yield _standard_names(findings)


def render_fidelity(findings: Findings) -> Text:
    """Return how control compares with the logged pages, in one line."""
    identical = findings.fidelity("identical_pages")
    if identical is None:
        return Text("Fidelity: no page was logged at these moments.", style="yellow")
    equal = round(identical.mean * identical.pages)
    share = format_value(identical.mean, identical.metric.unit)
    if equal < identical.pages and share.startswith("100"):
        share = f"under {share}"
    style = "bold green" if equal == identical.pages else "bold yellow"
    return Text.assemble(
        "Fidelity: control equals the logged page on ",
        (share, style),
        f" of {count_of(identical.pages, 'page')}.",
    )


def _answers(findings: Findings) -> Iterator[RenderableType]:
    for given in answer_all(findings):
        yield Text.assemble(
            (given.treatment, "bold"), f": {given.changed} of pages look different."
        )
        yield Padding(
            Text(f"{given.sign} {given.sentence}", style=_STYLES[given.verdict]), (0, 2)
        )
        for broken in given.broken:
            yield Padding(Text(f"It shows {broken}.", style="bold red"), (0, 2))


def _legend() -> Columns:
    told = [f"{sign} {saying}" for sign, saying in VERDICTS.values() if sign]
    told.append("\N{PLUS-MINUS SIGN} 95 % interval")
    # In columns a line breaks between entries, never inside one.
    return Columns([Text(one, style="dim") for one in told], padding=(0, 3, 0, 0))


def _standard_names(findings: Findings) -> Text:
    """Return what the literature calls metrics; beside their titles there is no room."""
    titles: dict[str, list[str]] = {}
    for family in FAMILIES:
        for metric in findings.metrics(family):
            if metric.standard_name:
                titles.setdefault(metric.standard_name, []).append(metric.title.lower())
    names = [f"{name} = {', '.join(alike)}" for name, alike in titles.items()]
    return Text("; ".join(names), style="dim")


def _table(findings: Findings, treatments: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, padding=(0, 1))
    table.add_column("metric", no_wrap=True)
    for name in (findings.control, *treatments):
        # Names may be long: they fold, and figures have room.
        table.add_column(name, justify="right", overflow="fold", min_width=_FIGURE_WIDTH)
        if name != findings.control:
            table.add_column("difference", no_wrap=True)
    for family, title in FAMILIES.items():
        metrics = [
            metric
            for metric in findings.metrics(family)
            if not metric.name.startswith(ROW_SHARE)
        ]
        if metrics:
            table.add_row(_family(findings, title, metrics[0], treatments))
        for metric in metrics:
            table.add_row(f"  {metric.title}", *_cells(findings, metric, treatments))
        table.add_section()
    return table


def _family(
    findings: Findings, title: str, metric: Metric, treatments: Sequence[str]
) -> RenderableType:
    found = [findings.of_treatment(metric.name, treatment) for treatment in treatments]
    size = describe_size([result for result in found if result is not None])
    heading = Text(title, style="bold cyan")
    if metric.family is Family.RECALL:
        # It has a line of its own: a wide cell would widen the column of every metric.
        heading.append(f"\n{size}", style="dim not bold")
    return heading


def _cells(
    findings: Findings, metric: Metric, treatments: Sequence[str]
) -> list[RenderableType]:
    control = findings.of_control(metric.name)
    cells: list[RenderableType] = [
        "" if control is None else format_value(control.mean, metric.unit)
    ]
    for treatment in treatments:
        result = findings.of_treatment(metric.name, treatment)
        cells.append(format_value(None if result is None else result.mean, metric.unit))
        cells.append(_difference(result))
    return cells


def _difference(result: Result | None) -> Text:
    if result is None:
        return Text()
    verdict, unit = result.verdict, result.metric.unit
    if result.difference is None:
        return Text(format_spread(result.mean_low, result.mean_high, unit), style="dim")
    sign = VERDICTS[verdict][0]
    if verdict is Verdict.SAME:
        return Text(f"{sign} no difference", style=_STYLES[verdict])
    half_width = result.half_width
    difference = format_difference(result.difference, unit, half_width)
    text = Text(f"{sign or ' '} {difference}", style=_STYLES[verdict])
    if half_width is not None:
        text.append(f" {format_half_width(half_width, unit)}", style="dim")
    return text
