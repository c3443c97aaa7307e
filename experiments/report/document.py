"""Writes the report of a run: one self-contained HTML page that needs no network."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING

import pyarrow.compute as pc
import pyarrow.parquet as pq
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from experiments.metrics.compute import METRICS_FILE
from experiments.metrics.measured_pages import read_pages
from experiments.metrics.options import MetricOptions
from experiments.metrics.registry import METRICS
from experiments.report import comparisons
from experiments.report.figures import format_count
from experiments.report.findings import SIGNIFICANCE, Findings
from experiments.report.samples import choose_pages, read_samples
from experiments.report.sheets import make_sheet
from mesh.moments import from_micros
from services.page.model import RowType

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from experiments.report.description import RunDescription
    from experiments.report.sheets import Sheet
    from timetravel.store import Store

REPORT_FILE = "report.html"
_HOUR_MICROS = 3_600_000_000


def write_report(
    run: RunDescription, store: Store, *, options: MetricOptions | None = None
) -> Path:
    """Write the report of a measured run into its directory, and return where it is.

    Args:
        run: What was run; `compute_metrics` has measured it.
        store: Holds the logged pages, titles and what was played.
        options: What the run was measured with.
    """
    options = options or MetricOptions()
    directory = run.measured.directory
    findings = Findings.of(pq.read_table(directory / METRICS_FILE))
    choices = choose_pages(directory, findings.treatments)
    samples = read_samples(run.measured, store, choices, options.engagement)
    pages = read_pages(directory, run.measured.variants)
    text = render_report(
        run,
        findings,
        pages,
        [make_sheet(sample, run.measured.variants) for sample in samples],
        options,
    )
    target = directory / REPORT_FILE
    unfinished = target.with_name(f".{target.name}.unfinished")
    unfinished.write_text(text, encoding="utf-8")
    return unfinished.replace(target)


def render_report(
    run: RunDescription,
    findings: Findings,
    pages: pa.Table,
    sheets: list[Sheet],
    options: MetricOptions,
) -> str:
    """Return the report as HTML.

    Args:
        run: What was run.
        findings: What was found.
        pages: The pages of the run: profile_id, as_of_micros.
        sheets: Pages to show side by side.
        options: What the run was measured with.
    """
    environment = Environment(
        loader=PackageLoader("experiments.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    labels, mixes = comparisons.make_mix(findings)
    template = environment.get_template("report.html.j2")
    return template.render(
        run=run,
        findings=findings,
        summary=_summarise(pages, findings),
        fidelity=comparisons.make_fidelity(findings),
        cards=comparisons.make_cards(run, findings),
        sections=comparisons.make_sections(findings),
        strata=comparisons.make_strata(findings),
        mix_labels=labels,
        mix_places={row_type.label: place for place, row_type in enumerate(RowType)},
        mixes=mixes,
        sheets=sheets,
        verdicts=comparisons.VERDICTS,
        metrics=METRICS,
        horizon=f"{options.engagement.horizon_micros / _HOUR_MICROS:g} hours",
        until_next_page=options.engagement.until_next_page,
        significance=SIGNIFICANCE,
        style=Markup(_read("report.css")),  # noqa: S704 - our own file, no data in it
        drawing=Markup,
        pretty=lambda value: json.dumps(value, indent=2, ensure_ascii=False),
    )


def _summarise(pages: pa.Table, findings: Findings) -> list[tuple[str, str]]:
    first, last = (
        from_micros(pick(pages["as_of_micros"]).as_py()) for pick in (pc.min, pc.max)
    )
    days = f"{first:%-d %b %Y}"
    if first.date() != last.date():
        days += f" \N{EN DASH} {last:%-d %b %Y}"
    profiles = pc.count_distinct(pages["profile_id"]).as_py()
    asked = pc.count_distinct(pages["page_id"]).as_py()
    return [
        (format_count(profiles), "member" if profiles == 1 else "members"),
        (format_count(asked), "page each variant" if asked == 1 else "pages each variant"),
        (format_count(len(findings.treatments)), "against control"),
        (days, "moments of the pages"),
    ]


def _read(name: str) -> str:
    return files("experiments.report").joinpath("templates", name).read_text(encoding="utf-8")
