"""pagesim history: every version of the facts about an entity."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from core.moments import EARLIEST_MICROS, LAST_MICROS, parse_moment
from experiments.cli.terminal import ScreenConsole, json_option, store_option
from experiments.history.fields import choose_field
from experiments.history.lines import history_records
from experiments.history.names import name_videos
from experiments.history.picture import can_be_drawn, draw_field
from experiments.history.table import (
    format_minute,
    render_field,
    render_history,
    render_legend,
)
from experiments.report.figures import count_of
from timetravel.ledger.versions import Subject
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from timetravel.ledger.questions import HistoricalVersion


@click.command()
@click.argument("entity")
@store_option
@click.option(
    "--field",
    metavar="FIELD",
    help="Only this, with a picture: an attribute, GROUP.FIELD of features, allocation/TEST, "
    "events, licences or pages.",
)
@click.option(
    "--as-of",
    metavar="MOMENT",
    help="Mark what is visible at this moment, and leave out what became known later.",
)
@click.option(
    "--known-by",
    metavar="MOMENT",
    help="Read facts as known by this moment, rather than as known at each as-of.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="Newest versions of each field; 0 shows all.",
)
@click.option(
    "--width", type=click.IntRange(min=60), help="Columns; the terminal's if left out."
)
@json_option
def history(
    entity: str,
    store: str,
    field: str | None,
    as_of: str | None,
    known_by: str | None,
    limit: int,
    width: int | None,
    *,
    as_json: bool,
) -> None:
    """Show every fact about ENTITY: since when it is true, and when that became known.

    ENTITY is profile/17, video/3 or document/configuration/homepage. "Seen" says until when
    a version was what the live system went by. With --json there is a line for each version.
    """
    at = LAST_MICROS if as_of is None else parse_moment(as_of, field="--as-of")
    fixed = None if known_by is None else parse_moment(known_by, field="--known-by")
    with Store.open(store) as opened:
        subject = Subject.parse(entity, opened.find_entity)
        snapshot, retained = opened.snapshot(), opened.retained()
        found, everything = (
            name_videos(history, opened.external_ids)
            for history in (
                opened.ledger(snapshot, fixed).entity_history(subject, at),
                opened.ledger(snapshot).entity_history(subject, LAST_MICROS),
            )
        )
    chosen = None if field is None else choose_field(everything, field)
    if chosen is not None:
        found, everything = (
            [historical for historical in history if chosen.holds(historical.version)]
            for history in (found, everything)
        )
    later = len(everything) - len(found)
    if retained.since > EARLIEST_MICROS:
        click.echo(
            f"Not shown: versions superseded before {format_minute(retained.since)}; "
            "retention has removed them.",
            err=True,
        )
    if as_json:
        for record in history_records(found, " ".join(entity.split("/", 1))):
            sys.stdout.write(json.dumps(record, ensure_ascii=False) + "\n")
        return
    console = ScreenConsole(width=width)
    console.print(_headline(entity, found, snapshot, at if as_of else None, fixed))
    if later:
        console.print(f"{later:,} became known later and are left out.", style="dim")
    console.print()
    if chosen is None:
        console.print(render_history(found, limit=limit))
    else:
        console.print(render_field(chosen, found, limit=limit))
        if can_be_drawn(chosen):
            versions = [historical.version for historical in found]
            console.print(draw_field(chosen, versions, console.width))
            console.print()
    console.print(render_legend(found))


def _headline(
    entity: str,
    found: Sequence[HistoricalVersion],
    snapshot: int,
    at: int | None,
    known_by: int | None,
) -> str:
    kind, _, name = entity.partition("/")
    moment = "now" if at is None else f"at {format_minute(at)}"
    known = "" if known_by is None else f" as known by {format_minute(known_by)}"
    return (
        f"{kind.capitalize()} {name}: {count_of(len(found), 'version')} of facts on snapshot "
        f"{snapshot}, marked as visible {moment}{known}."
    )
