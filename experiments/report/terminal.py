"""Shows results in the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich import box
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from experiments.report.comparisons import FAMILIES, ROW_SHARE, VERDICTS
from experiments.report.figures import (
    count_of,
    format_difference,
    format_value,
)
from experiments.report.findings import Findings, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from rich.console import Console, ConsoleOptions, RenderableType

    from experiments.metrics.definition import Metric
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


def render(results: pa.Table) -> RenderableType:
    """Return the comparison of variants, and the fidelity of control, for the terminal.

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
        yield render_fidelity(findings)
        yield ""
        together = _table(findings, findings.treatments)
        if Measurement.get(console, options.update(max_width=_ANY), together).maximum <= (
            options.max_width
        ):
            yield together
        else:
            for treatment in findings.treatments:
                yield _table(findings, [treatment])
        signs = "   ".join(f"{sign} {saying}" for sign, saying in VERDICTS.values() if sign)
        yield Text(f"{signs}   \N{PLUS-MINUS SIGN} 95 % interval", style="dim")


def _table(findings: Findings, treatments: Sequence[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    table.add_column("metric", no_wrap=True)
    table.add_column(findings.control, justify="right")
    for treatment in treatments:
        table.add_column(treatment, justify="right")
        table.add_column("difference", no_wrap=True)
    for family, title in FAMILIES.items():
        metrics = [
            own for own in findings.metrics(family) if not own.name.startswith(ROW_SHARE)
        ]
        if metrics:
            table.add_row(Text(title, style="bold cyan"))
        for metric in metrics:
            table.add_row(f"  {metric.title}", *_cells(findings, metric, treatments))
        table.add_section()
    return table


def render_fidelity(findings: Findings) -> Text:
    """Return how control compares with the logged pages, in one line."""
    identical = findings.fidelity("identical_pages")
    if identical is None:
        return Text("Fidelity: no page was logged at these moments.", style="yellow")
    equal = round(identical.mean * identical.pages)
    share = format_value(identical.mean, identical.metric.unit)
    style = "bold green" if equal == identical.pages else "bold yellow"
    return Text.assemble(
        "Fidelity: control equals the logged page on ",
        (share, style),
        f" of {count_of(identical.pages, 'page')}.",
    )


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
    if result is None or result.difference is None:
        return Text()
    verdict, unit = result.verdict, result.metric.unit
    sign, saying = VERDICTS[verdict]
    if verdict is Verdict.SAME:
        return Text(f"{sign} {saying}", style=_STYLES[verdict])
    difference = format_difference(result.difference, unit)
    text = Text(f"{sign} {difference}".strip(), style=_STYLES[verdict])
    if result.ci_high is not None:
        half = format_difference(result.ci_high - result.difference, unit)
        text.append(f" \N{PLUS-MINUS SIGN}{half.removeprefix('+')}", style="dim")
    return text
