"""pagesim db retain: remove versions superseded long ago."""

from __future__ import annotations

import re
import socket
import sys
from typing import TYPE_CHECKING, Final

import click

from core.moments import format_moment, parse_moment
from experiments.cli.db.environment import now_micros, upkeep_environment
from experiments.cli.db.options import ELSEWHERE, dry_run_option, reason_option
from experiments.cli.db.report import describe_carried_out, show_carried_out, show_counts
from experiments.cli.terminal import json_option, needed_store_option, print_json, progress
from timetravel.database.engine import reading
from timetravel.removal import completion, removals, retention
from timetravel.store import Store

if TYPE_CHECKING:
    from timetravel.upkeep.copies import CopyFolder

_SECONDS: Final = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_MICROS: Final = 1_000_000
_NEWEST: Final = "newest"


@click.command()
@needed_store_option
@click.option(
    "--older-than",
    metavar="DURATION",
    help="Versions superseded longer ago than this, e.g. 400d, 36h: counted from now.",
)
@click.option("--before", metavar="MOMENT", help="Versions superseded before this moment.")
@click.option(
    "--snapshot",
    metavar=f"N|{_NEWEST}",
    help="The first snapshot that stays answerable; without it the oldest that a run on disk "
    f"pins, so that the run can be repeated, or the {_NEWEST}.",
)
@reason_option("retention by age")
@dry_run_option
@json_option
def retain(
    store: str,
    older_than: str | None,
    before: str | None,
    snapshot: str | None,
    reason: str,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Remove versions that are not visible at the cutoff or later.

    Reads at or after the cutoff give the same results. Reads of earlier moments, as known
    earlier, or of earlier snapshots are refused from then on. Segments are built again when
    needed.
    """
    cutoff = _cutoff(older_than, before)
    with Store.open(store) as opened:
        kept, pinned_by = _first_snapshot(opened, snapshot)
        bounds = retention.Bounds(cutoff, kept)
        around = upkeep_environment(opened)
        described: dict[str, object] = {
            "cutoff": format_moment(cutoff),
            "snapshot": kept,
            "pinned_by": None if pinned_by is None else str(pinned_by),
        }
        if dry_run:
            with reading(opened.engine) as connection:
                removals.check_cutoff(connection, cutoff)
                removed = retention.count_superseded(connection, bounds)
            done = completion.CarriedOut()
        else:
            with progress("Letting go of superseded versions"):
                removed = removals.let_versions_go(
                    opened.engine,
                    bounds,
                    reason=reason,
                    began_at=around.now_micros(),
                    nonce=around.draw_nonce(),
                )
                done = completion.finish_upkeep(opened.engine, around)
    if as_json:
        described |= {"dry_run": dry_run, "removed": dict(removed)}
        print_json(described | describe_carried_out(done))
    else:
        show_counts("Would remove" if dry_run else "Removed", removed)
        click.echo(f"Answers from {format_moment(cutoff)} and snapshot {kept} on stay.")
        if pinned_by is not None:
            click.echo(f"That snapshot is pinned by {pinned_by}.")
        show_carried_out(done)
    sys.exit(ELSEWHERE if done.elsewhere else 0)


def _cutoff(older_than: str | None, before: str | None) -> int:
    if (older_than is None) == (before is None):
        raise click.UsageError("Give either --older-than or --before.")
    if before is not None:
        return parse_moment(before, field="--before")
    found = re.fullmatch(r"(\d+)([dhms])", older_than or "")
    if found is None:
        raise click.BadParameter(
            f"{older_than!r} is not a duration; write 400d, 36h, 90m or 30s.",
            param_hint="--older-than",
        )
    return now_micros() - int(found[1]) * _SECONDS[found[2]] * _MICROS


def _first_snapshot(store: Store, wanted: str | None) -> tuple[int, CopyFolder | None]:
    newest = store.snapshot()
    if wanted == _NEWEST:
        return newest, None
    if wanted is not None:
        if not wanted.isdigit() or int(wanted) > newest:
            raise click.BadParameter(
                f"{wanted!r} is not a snapshot of this store; the newest is {newest}.",
                param_hint="--snapshot",
            )
        return int(wanted), None
    with reading(store.engine) as connection:
        pinned = completion.oldest_pinned(connection, socket.gethostname())
    if pinned is None or pinned.snapshot is None or pinned.snapshot > newest:
        return newest, None
    return pinned.snapshot, pinned
