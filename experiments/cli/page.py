"""pagesim page: show one page."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from core.grpc_status import raising_peer_errors
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
from experiments.generation.single_stack import single_stack
from experiments.metrics.inputs.played import EngagementWindow
from experiments.report.pages.samples import read_played_next
from experiments.report.pages.side_by_side import render_columns
from experiments.runs.run_record import read_record
from experiments.viewing.page_hints import check_profile, explaining_window
from experiments.viewing.page_views import PageViews, find_logged, find_simulated
from mesh.topology.stack import Stack
from services.assembler.client import AssemblerClient
from timetravel.facts.model import EntityKind
from timetravel.store import Store

_CALL_TIMEOUT_SECONDS = 60.0


@click.group()
def page() -> None:
    """Show single pages."""


@page.command()
@click.argument("profile")
@store_option
@segments_option
@click.option(
    "--at",
    metavar="MOMENT",
    help="When, e.g. 2018-05-01T20:15:00Z; the profile's newest logged page if left out.",
)
@click.option(
    "--device",
    default="",
    metavar="NAME",
    help="Simulate for this device, not for the logged one; the configuration's default if "
    "neither is there.",
)
@click.option(
    "--run",
    "directory",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIRECTORY",
    help="Show the page that this run made, instead of simulating it now.",
)
@click.option(
    "--variant",
    "variants",
    multiple=True,
    metavar="NAME",
    help="Variant of the run; may be given more than once. Its control if left out.",
)
@click.option(
    "--width", type=click.IntRange(min=40), help="Columns; the terminal's if left out."
)
@tls_option
@json_option
def show(
    profile: str,
    store: str,
    segments: Path,
    at: str | None,
    device: str,
    directory: Path | None,
    variants: tuple[str, ...],
    width: int | None,
    tls: Path | None,
    *,
    as_json: bool,
) -> None:
    """Show the page of PROFILE simulated as control, beside the page that was logged.

    Differences from the logged page are marked; variants are marked against the run's
    control. Without --run the page is made through the real processes, which takes some
    seconds to start.
    """
    moment = None if at is None else parse_moment(at, field="--at")
    url = absolute_store(store)
    with Store.open(url) as opened:
        profile_id = opened.find_entity(EntityKind.PROFILE, profile)
        if directory is None:
            if variants:
                raise click.UsageError("--variant is of a run; name it with --run.")
            shown = _simulate(opened, url, segments, profile_id, moment, device, tls)
        else:
            if device:
                raise click.UsageError("--device is of a simulated page; a run has its own.")
            if tls:
                raise click.UsageError(
                    "--tls is of a simulated page; a run's are there already."
                )
            shown = _look_up(opened, directory, profile_id, moment, variants)
        shown = shown.entitled(opened)
        if as_json:
            print_json(shown.to_document(opened))
            return
        played = read_played_next(
            opened, next(iter(shown.simulated.values())), shown.snapshot, EngagementWindow()
        )
    output = ScreenConsole(width=width)
    output.print(shown.describe(profile), style="bold")
    output.print(render_columns(shown.columns(played)))
    output.print(shown.sentence)


def _simulate(
    store: Store,
    url: str,
    segments: Path,
    profile: int,
    moment: int | None,
    device: str,
    tls: Path | None,
) -> PageViews:
    snapshot = store.snapshot()
    check_profile(store, profile, LAST_MICROS if moment is None else moment, snapshot)
    found = find_logged(store, profile, moment, snapshot)
    stack = Stack("page", found.moment, snapshot=snapshot or None, variant="control")
    with ExitStack() as until_done:
        logs = Path(until_done.enter_context(TemporaryDirectory(prefix="pagesim-")))
        with progress("Starting the mesh"):
            mesh = until_done.enter_context(single_stack(url, segments, stack, logs, tls=tls))
        device = device or (found.page.device if found.page else "")
        client = AssemblerClient(mesh.channel, timeout_seconds=_CALL_TIMEOUT_SECONDS)
        with explaining_window(store, found.moment, snapshot), raising_peer_errors():
            simulated = client.get_page(profile, as_of_micros=found.moment, device=device)
    return PageViews(found.moment, snapshot, found.page, {"simulated": simulated}, "simulated")


def _look_up(
    store: Store, directory: Path, profile: int, moment: int | None, variants: tuple[str, ...]
) -> PageViews:
    run = read_record(directory).describe(directory).measured
    for variant in variants:
        if variant not in run.variants:
            raise click.BadParameter(
                f"{variant!r} is not among {', '.join(run.variants)}.", param_hint="--variant"
            )
    wanted = variants or run.variants[:1]
    moment, simulated = find_simulated(store, directory, profile, moment, wanted)
    logged = find_logged(store, profile, moment, run.snapshot)
    return PageViews(moment, run.snapshot, logged.page, simulated, run.variants[0])
