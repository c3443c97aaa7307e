"""Writes the report of a run: one self-contained HTML file that needs no network."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import TYPE_CHECKING

import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from core.atomic_files import atomic_file
from core.screen_text import escape_controls
from experiments.generation.stored_pages import read_page_keys
from experiments.metrics.compute import METRICS_FILE
from experiments.metrics.definitions.definition import Family
from experiments.metrics.definitions.registry import METRICS
from experiments.metrics.options import MetricOptions
from experiments.report.answers import make_headline
from experiments.report.cards import make_cards, make_fidelity, make_warnings
from experiments.report.figures import format_count
from experiments.report.findings import SIGNIFICANCE, Findings
from experiments.report.lines import make_sections
from experiments.report.mix import make_mix
from experiments.report.pages.choices import choose_pages
from experiments.report.pages.samples import read_samples
from experiments.report.pages.sheets import make_sheet
from experiments.report.strata import FEW_MEMBERS, make_strata
from experiments.report.wording import VERDICTS

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from experiments.report.description import RunDescription
    from experiments.report.pages.sheets import Sheet
    from timetravel.store import Store

REPORT_FILE = "report.html"
_HOUR_MICROS = 3_600_000_000
_PREFORMATTED = re.compile("(<pre>.*?</pre>)", re.DOTALL)
_INDENTATION = re.compile(r"\n\s+")


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
    directory, variants = run.measured.directory, run.measured.variants
    findings = Findings.of(pq.read_table(directory / METRICS_FILE))
    choices = choose_pages(directory, variants)
    samples = read_samples(run.measured, store, choices, options.engagement)
    text = render_report(
        run,
        findings,
        read_page_keys(directory, variants),
        [make_sheet(sample, variants[0]) for sample in samples],
        options,
    )
    target = directory / REPORT_FILE
    with atomic_file(target) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    return target


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
        pages: The pages of the run: profile_id, as_of; distinct.
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
    text = environment.get_template("report.html.j2").render(
        run=run,
        findings=findings,
        summary=_summarise(pages, findings),
        headline=make_headline(findings),
        warnings=make_warnings(run, findings),
        fidelity=make_fidelity(findings),
        cards=make_cards(run, findings),
        sections=make_sections(findings),
        strata=make_strata(findings),
        few_members=FEW_MEMBERS,
        mix=make_mix(findings),
        sheets=sheets,
        verdicts=VERDICTS,
        metrics=METRICS,
        horizon=f"{options.engagement.horizon_micros / _HOUR_MICROS:g} hours",
        significance=SIGNIFICANCE,
        style=Markup(_read("report.css")),  # noqa: S704 - our own file, no data in it
        script=Markup(_read("report.js")),  # noqa: S704 - likewise
        drawing=Markup,
        as_json=lambda value: json.dumps(value, indent=2, ensure_ascii=False),
        as_yaml=lambda value: yaml.safe_dump(value, sort_keys=False, allow_unicode=True),
    )
    return escape_controls(_without_indentation(text))


def _summarise(pages: pa.Table, findings: Findings) -> list[tuple[str, str]]:
    """Return how much the run looked at: figures, and what they count."""
    first, last = (pick(pages["as_of"]).as_py() for pick in (pc.min, pc.max))
    days = f"{first:%-d %b %Y}"
    if first.date() != last.date():
        days += f" \N{EN DASH} {last:%-d %b %Y}"
    profiles = pc.count_distinct(pages["profile_id"]).as_py()
    asked = len(pages)
    recall = findings.metrics(Family.RECALL)
    followed = findings.of_control(recall[0].name) if recall else None
    return [
        (format_count(profiles), "member" if profiles == 1 else "members"),
        (
            format_count(asked),
            "page of each variant" if asked == 1 else "pages of each variant",
        ),
        (format_count(followed.pages if followed else 0), "of them followed by a play"),
        (
            format_count(len(findings.treatments)),
            "treatment" if len(findings.treatments) == 1 else "treatments",
        ),
        (days, "moments of the pages"),
    ]


def _without_indentation(text: str) -> str:
    """Return the page without the template's indentation, which is a fifth of its size."""
    parts = _PREFORMATTED.split(text)
    # Splitting by one group puts what it matched at the odd places.
    parts[::2] = [_INDENTATION.sub("\n", part) for part in parts[::2]]
    return "".join(parts)


def _read(name: str) -> str:
    return files("experiments.report").joinpath("templates", name).read_text(encoding="utf-8")
