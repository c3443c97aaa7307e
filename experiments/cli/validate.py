"""pagesim validate: compare simulated control pages with logged pages."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np

from core.moments import LAST_MICROS, parse_moment
from experiments.cli.terminal import (
    ScreenConsole,
    absolute_store,
    json_option,
    print_json,
    progress,
    segments_option,
    store_option,
    tls_option,
)
from experiments.generation.external_ids import write_external_ids
from experiments.generation.outages import Patience
from experiments.generation.segments import lay_out_facts
from experiments.generation.single_stack import single_stack
from experiments.runs.purge import purge_erased_since
from experiments.validation.fidelity_report import render_outcome
from experiments.validation.outcome import ValidationOutcome, summarise, write_outcome
from experiments.validation.validate import (
    ValidationScope,
    choose_logged_pages,
    validate_pages,
)
from mesh.topology.stack import Stack
from services.assembler.client import AssemblerClient
from timetravel.rpc.client import TimeTravelClient
from timetravel.store import Store
from timetravel.upkeep.copies import CopyKind

BELOW_THRESHOLD = 3
"""Exit code when pages or features are not as logged."""
_CALL_TIMEOUT_SECONDS = 300.0
_MAKING = "Making pages again"


@click.command()
@store_option
@segments_option
@click.option(
    "--profiles",
    type=click.IntRange(min=1),
    default=500,
    show_default=True,
    metavar="N",
    help="Profiles to check, drawn at random.",
)
@click.option("--all", "everybody", is_flag=True, help="Check every profile.")
@click.option("--seed", type=int, default=0, show_default=True, help="Decides the draw.")
@click.option("--since", metavar="MOMENT", help="First moment, e.g. 2018-05-01.")
@click.option("--until", metavar="MOMENT", help="The moment after the last.")
@click.option(
    "--known-by",
    default="as-of",
    show_default=True,
    metavar="as-of|now|MOMENT",
    help="Read facts as known at each page's moment, as known now, or as known by a moment.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    default=1.0,
    show_default=True,
    help="Share of pages, and of feature values, that must be identical.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIRECTORY",
    help="Also write pages.parquet, features.parquet, mismatches.parquet and logs there; "
    "and the texts behind ids, where entities have texts.",
)
@tls_option
@json_option
def validate(
    store: str,
    segments: Path,
    profiles: int,
    seed: int,
    since: str | None,
    until: str | None,
    known_by: str,
    threshold: float,
    output: Path | None,
    tls: Path | None,
    *,
    everybody: bool,
    as_json: bool,
) -> None:
    """Make logged pages again and compare them with what was really shown.

    Every logged page is simulated as control, through the real processes, as of its own
    moment. Pages must be equal byte for byte, every feature value that was logged must be
    read back bit by bit, and no page may use what was not yet known. Exits with 3 if not.
    """
    url = absolute_store(store)
    with Store.open(url) as opened:
        upkeep = opened.newest_upkeep()
        scope = ValidationScope(
            snapshot=opened.snapshot(),
            since=_moment(since, "--since"),
            until=_moment(until, "--until"),
            profiles=None if everybody else profiles,
            seed=seed,
            known_by_micros=_known_by(known_by),
            threshold=threshold,
        )
        outcome = _validate(url, segments, opened, scope, output, tls)
        if output is not None:
            opened.note_copies(output, CopyKind.RESULTS)
            profile_ids = np.unique([check.profile_id for check in outcome.checks])
            write_external_ids(output, opened, profile_ids, scope.snapshot)
            write_outcome(outcome, output)
            purge_erased_since(upkeep, output, opened)
        if as_json:
            print_json(summarise(outcome, opened.external_id))
        else:
            ScreenConsole().print(render_outcome(outcome, opened.external_id))
    if not outcome.passes:
        sys.exit(BELOW_THRESHOLD)


def _validate(
    url: str,
    segments: Path,
    store: Store,
    scope: ValidationScope,
    output: Path | None,
    tls: Path | None,
) -> ValidationOutcome:
    chosen = choose_logged_pages(store, scope)
    stack = Stack(
        stack_id="validation",
        as_of_micros=chosen.last,
        known_by_micros=scope.known_by_micros,
        snapshot=scope.snapshot,
        variant="control",
    )
    lay_out_facts(store, scope.snapshot, chosen.profile_ids, segments, progress=progress)
    with ExitStack() as until_done:
        scratch = until_done.enter_context(TemporaryDirectory(prefix="pagesim-"))
        logs = Path(scratch) if output is None else output / "logs"
        with progress("Starting the mesh"):
            mesh = until_done.enter_context(single_stack(url, segments, stack, logs, tls=tls))
        assembler = AssemblerClient(mesh.channel, timeout_seconds=_CALL_TIMEOUT_SECONDS)
        with progress(_MAKING, chosen.pages) as advance:
            return validate_pages(
                store,
                scope,
                chosen,
                assembler,
                TimeTravelClient(mesh.channel),
                Patience.with_stack(
                    mesh.mesh, stack, lambda text: advance(0, description=text or _MAKING)
                ),
                advance=advance,
            )


def _known_by(text: str) -> int | None:
    if text == "as-of":
        return None
    # "Now" is whatever the store has: it may hold a world whose time is not ours.
    return LAST_MICROS if text == "now" else parse_moment(text, field="--known-by")


def _moment(text: str | None, field: str) -> int | None:
    return None if text is None else parse_moment(text, field=field)
