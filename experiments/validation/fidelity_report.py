"""Shows the result of a validation in the terminal."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from core.moments import EARLIEST_MICROS, LAST_MICROS, from_micros
from experiments.report.figures import count_of, format_count
from experiments.validation.pages import Stage
from timetravel.facts.model import EntityKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from experiments.validation.features import FeatureMismatch, NameEntity
    from experiments.validation.outcome import ValidationOutcome

_EXAMPLES = 3
_FIELDS = 3
_STAGES = {
    Stage.FAILED: "no page was made",
    Stage.REQUEST: "another device or geometry",
    Stage.ROWS: "other rows",
    Stage.ORDER: "rows in another order",
    Stage.VIDEOS: "other titles in a row",
    Stage.LABELS: "another heading",
    Stage.SCORES: "scores alone",
    Stage.LOG: "the logged digest is not that of the logged page",
}


def render_outcome(outcome: ValidationOutcome, name_entity: NameEntity) -> RenderableType:
    """Return the outcome: a line for each check, then what differs, with examples."""
    parts: list[RenderableType] = [_headline(outcome), "", _checks(outcome)]
    if outcome.differences:
        parts += [Text("Where pages first differ", style="bold"), _stages(outcome)]
    if outcome.mismatches:
        parts += [
            _mismatch_heading(outcome),
            _fields(outcome),
            *_examples(outcome, name_entity),
            "",
        ]
    if outcome.leaks:
        parts.append(Text("Used before it was known", style="bold"))
        parts += [Text(f"  {leak}", style="dim") for leak in outcome.leaks[:_EXAMPLES]]
        more = len(outcome.leaks) - _EXAMPLES
        if more > 0:
            parts.append(Text(f"  and {count_of(more, 'more leak')}", style="dim"))
        parts.append("")
    verdict = (
        Text("The simulation is the live system, as far as was looked.", style="bold green")
        if outcome.passes
        else Text(_reason(outcome), style="bold red")
    )
    return Group(*parts, verdict)


def _reason(outcome: ValidationOutcome) -> str:
    if outcome.leaks:
        return "The simulation looked into the future."
    below = f"Below the threshold of {_share(outcome.threshold)}."
    if outcome.known_by_micros is None:
        return below
    return (
        f"{below} Facts were not read as the live system knew them: what differs is what "
        "such a reading would have leaked or missed."
    )


def _headline(outcome: ValidationOutcome) -> Text:
    profiles = len({check.profile_id for check in outcome.checks})
    first, last = (
        from_micros(pick(check.shown_at for check in outcome.checks)) for pick in (min, max)
    )
    known_by = "as known at each page's moment"
    if outcome.known_by_micros == LAST_MICROS:
        known_by = "as known now"
    elif outcome.known_by_micros is not None:
        known_by = f"as known by {from_micros(outcome.known_by_micros):%Y-%m-%d %H:%M}"
    return Text(
        f"Control against logged: {count_of(len(outcome.checks), 'page')} of "
        f"{count_of(profiles, 'profile')}, {first:%Y-%m-%d} to {last:%Y-%m-%d}, {known_by}, "
        f"snapshot {outcome.snapshot}."
    )


def _checks(outcome: ValidationOutcome) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    table.add_column("check")
    for name in ("identical", "of", "share"):
        table.add_column(name, justify="right")
    rows = [("pages, byte for byte", outcome.identical_pages, len(outcome.checks))]
    if outcome.values:
        rows.append(("feature values, bit by bit", outcome.identical_values, outcome.values))
    for name, identical, total in rows:
        share = identical / total
        style = "green" if share >= outcome.threshold else "bold red"
        table.add_row(
            name, format_count(identical), format_count(total), Text(_share(share), style=style)
        )
    if not outcome.values:
        table.add_row(
            "feature values, bit by bit", "", "0", Text("none logged", style="yellow")
        )
    past = len(outcome.checks) - outcome.future_reads
    style = "bold red" if outcome.future_reads else "green"
    table.add_row(
        "pages without the future",
        format_count(past),
        format_count(len(outcome.checks)),
        Text(_share(past / len(outcome.checks)), style=style),
    )
    return table


def _stages(outcome: ValidationOutcome) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    table.add_column("first difference")
    table.add_column("pages", justify="right")
    table.add_column("for example", overflow="fold")
    for stage, count in outcome.differences.items():
        example = next(check for check in outcome.checks if check.difference is stage)
        told = f"{example.page_id}  {example.failure}".rstrip()
        table.add_row(_STAGES[stage], format_count(count), told)
    return table


def _mismatch_heading(outcome: ValidationOutcome) -> Text:
    pages = format_count(outcome.pages_with_mismatches)
    of = count_of(len(outcome.checks), "page")
    return Text(f"Features that were not read back, on {pages} of {of}", style="bold")


def _fields(outcome: ValidationOutcome) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    table.add_column("group")
    for name in ("values", "identical", "share"):
        table.add_column(name, justify="right")
    table.add_column("fields that differ most", overflow="fold")
    for group, own in groupby(outcome.fields, key=lambda field: field.group):
        fields = sorted(own, key=lambda field: field.share)
        values = sum(field.values for field in fields)
        identical = sum(field.identical for field in fields)
        differing = [field.field for field in fields if field.identical < field.values]
        table.add_row(
            group,
            format_count(values),
            format_count(identical),
            _share(identical / values),
            _describe_fields(differing),
        )
    return table


def _describe_fields(names: Sequence[str]) -> str:
    more = len(names) - _FIELDS
    return ", ".join(names[:_FIELDS]) + (f" and {format_count(more)} more" if more > 0 else "")


def _examples(outcome: ValidationOutcome, name_entity: NameEntity) -> Iterator[Text]:
    first, *others = outcome.mismatches[:_EXAMPLES]
    yield Text(f"First: {_describe(first, name_entity)}")
    for other in others:
        yield Text(f"then:  {_describe(other, name_entity)}", style="dim")
    more = len(outcome.mismatches) - _EXAMPLES
    if more > 0:
        yield Text(f"and {count_of(more, 'more value')}", style="dim")


def _describe(own: FeatureMismatch, name_entity: NameEntity) -> str:
    entity = name_entity(own.entity_kind, own.entity_id)
    profile = name_entity(EntityKind.PROFILE, own.profile_id)
    return (
        f"{own.group}.{own.field} of {entity}, on the page of profile "
        f"{profile} at {_moment(own.shown_at)}: logged {own.logged:.9g} (known "
        f"{_moment(own.logged_known_at)}), read back {own.simulated:.9g} (known "
        f"{_moment(own.simulated_known_at)})"
    )


def _moment(micros: int) -> str:
    return "never" if micros == EARLIEST_MICROS else f"{from_micros(micros):%Y-%m-%d %H:%M:%S}"


def _share(share: float) -> str:
    # 99.9996 % must not read as 100 %.
    text = f"{share:.2%}"
    return "under 100 %" if share < 1 and text == "100.00%" else text.replace("%", " %")
