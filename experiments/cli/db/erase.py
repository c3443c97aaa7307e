"""pagesim db erase, readmit: erase profiles, and accept them again."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import numpy as np

from experiments.cli.db.environment import now_micros, upkeep_environment
from experiments.cli.db.options import (
    ELSEWHERE,
    dry_run_option,
    number_profiles,
    profiles_argument,
    reason_option,
)
from experiments.cli.db.report import describe_carried_out, show_carried_out, show_counts
from experiments.cli.terminal import json_option, needed_store_option, print_json, progress
from experiments.runs.purge import count_records
from timetravel.database.engine import reading
from timetravel.removal import completion, removals
from timetravel.removal.erasure import plan_erasure
from timetravel.store import Store
from timetravel.upkeep.copies import CopyFolder, CopyKind, read_copy_folders


@click.command()
@profiles_argument
@needed_store_option
@reason_option()
@click.option(
    "--run",
    "runs",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIRECTORY",
    help="Also erase from this run or validation, if the store does not know of it (one that "
    "was copied or moved). May be given more than once.",
)
@dry_run_option
@json_option
def erase(
    profiles: tuple[str, ...],
    store: str,
    reason: str,
    runs: tuple[Path, ...],
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Erase everything about each PROFILE: in the store, its files, segments and runs.

    Features, attributes, allocations, events and logged pages are removed, and facts about
    these profiles are refused from then on. The store's file is rewritten, which needs as
    much free space again; readers may continue. If it is killed, or held up by a reader,
    run it again to resume. Backups made before still contain the profiles; `restore` over
    this store erases them again.

    Exits with 4 if copies on other machines remain.
    """
    removals.check_reason(reason)
    with Store.open(store) as opened:
        profile_ids = number_profiles(opened, profiles)
        if dry_run:
            _plan_erasure(opened, profile_ids, runs, as_json=as_json)
            return
        around = upkeep_environment(opened)
        with progress("Erasing"):
            completion.note_results(opened.engine, runs)
            plan = removals.erase_profiles(
                opened.engine,
                profile_ids,
                reason=reason,
                began_at=around.now_micros(),
                nonce=around.draw_nonce(),
            )
            done = completion.finish_upkeep(opened.engine, around)
    if as_json:
        print_json({"removed": dict(plan.removed), **describe_carried_out(done)})
    else:
        show_counts("Erased", plan.removed)
        show_carried_out(done)
    sys.exit(ELSEWHERE if done.elsewhere else 0)


def _plan_erasure(
    store: Store, profiles: tuple[int, ...], runs: tuple[Path, ...], *, as_json: bool
) -> None:
    with reading(store.engine) as connection:
        plan = plan_erasure(connection, profiles)
        places = list(read_copy_folders(connection))
    known = {place.path for place in places}
    places += [
        place
        for run in runs
        if (place := CopyFolder.here(run, CopyKind.RESULTS)).path not in known
    ]
    records = {
        str(place): count_records(place.path, np.array(plan.profile_ids, np.int64))
        for place in places
        if place.kind is CopyKind.RESULTS and place.path.is_dir()
    }
    segments = [str(place) for place in places if place.kind is CopyKind.SEGMENTS]
    if as_json:
        print_json(
            {
                "dry_run": True,
                "removed": dict(plan.removed),
                "records_of_runs": records,
                "segments": segments,
            }
        )
        return
    show_counts("Would erase", plan.removed)
    for name, count in records.items():
        click.echo(f"  {count:>12,}  records in {name}")
    for folder in segments:
        click.echo(f"  all segments in {folder}: they are built again when needed")


@click.command()
@profiles_argument
@needed_store_option
@reason_option()
@json_option
def readmit(profiles: tuple[str, ...], store: str, reason: str, *, as_json: bool) -> None:
    """Accept facts about erased profiles again, from now on.

    Nothing that was erased comes back.
    """
    with Store.open(store) as opened:
        readmitted = removals.readmit_profiles(
            opened.engine,
            number_profiles(opened, profiles),
            reason=reason,
            began_at=now_micros(),
        )
    if as_json:
        print_json({"readmitted": readmitted})
    else:
        click.echo(f"{readmitted} of {len(set(profiles))} had been erased, and may come back.")
