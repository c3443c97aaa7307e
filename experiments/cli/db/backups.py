"""pagesim db backup, restore: a store as one file, and back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from experiments.cli.db.environment import draw_nonce, now_micros, upkeep_environment
from experiments.cli.db.options import ELSEWHERE, dry_run_option
from experiments.cli.db.report import describe_carried_out, show_carried_out
from experiments.cli.terminal import (
    json_option,
    needed_store_option,
    print_json,
    progress,
)
from timetravel.backup.backup import back_up, check_target, describe_source
from timetravel.backup.restore import plan_restore
from timetravel.backup.restore import restore as restore_store
from timetravel.database.engine import describe_url, parse_url
from timetravel.removal.completion import finish_upkeep
from timetravel.store import Store

if TYPE_CHECKING:
    from experiments.generation.segments import Advance
    from timetravel.backup.backup import Progress

_WHOLE: Final = 100


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@needed_store_option
@click.option("--replace", is_flag=True, help="Replace FILE if it exists.")
@dry_run_option
@json_option
def backup(file: Path, store: str, *, replace: bool, dry_run: bool, as_json: bool) -> None:
    """Write a backup of the store to FILE, while others read and write it.

    The backup is the store as it was at one moment. Of SQLite it is a store itself, checked
    in full; of PostgreSQL it is written by pg_dump, which must be installed. FILE appears
    when it is complete, and only you may read it: it contains what the store contains,
    including profiles that are erased later.
    """
    url = parse_url(store)
    if dry_run:
        check_target(file, replace=replace)
        contents = describe_source(url)
        size = None
    else:
        with progress("Backing up", _WHOLE) as advance:
            contents = back_up(url, file, replace=replace, progress=_percents(advance))
        size = file.stat().st_size
    if as_json:
        print_json(
            {
                "dry_run": dry_run,
                "file": str(file),
                "store": describe_url(url),
                "revision": contents.revision,
                "snapshot": contents.snapshot,
                "bytes": size,
            }
        )
        return
    written = "Would write" if size is None else f"Wrote {size:,} bytes:"
    click.echo(
        f"{written} {describe_url(url)} at snapshot {contents.snapshot}, revision "
        f"{contents.revision}, to {file}."
    )


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@needed_store_option
@click.option(
    "--replace",
    is_flag=True,
    help="Replace an existing store. What it received since the backup is lost, except that "
    "profiles erased from it are erased again.",
)
@dry_run_option
@json_option
def restore(file: Path, store: str, *, replace: bool, dry_run: bool, as_json: bool) -> None:
    """Restore a store from the backup FILE, at the schema of this pagesim.

    The backup is checked first, and the store is complete or as it was before. Stop the
    services that read a store before you replace it, and start them again: they remember
    parts of it.
    """
    url = parse_url(store)
    with progress("Checking the backup"):
        plan = plan_restore(url, file, replace=replace)
    described: dict[str, Any] = {
        "dry_run": dry_run,
        "file": str(file),
        "store": describe_url(url),
        "revision": plan.contents.revision,
        "snapshot": plan.contents.snapshot,
        "replaces_snapshot": plan.replaces,
        "erased_again": list(plan.erased_again),
    }
    if dry_run:
        _report(described, "Would restore", as_json=as_json)
        return
    with progress("Restoring", _WHOLE) as advance:
        restore_store(
            url,
            file,
            plan,
            began_at=now_micros(),
            nonce=draw_nonce(),
            progress=_percents(advance),
        )
    with Store.open(store) as opened:
        done = finish_upkeep(opened.engine, upkeep_environment(opened))
    _report(described | describe_carried_out(done), "Restored", as_json=as_json)
    if not as_json:
        show_carried_out(done)
    sys.exit(ELSEWHERE if done.elsewhere else 0)


def _report(described: dict[str, Any], what: str, *, as_json: bool) -> None:
    if as_json:
        print_json(described)
        return
    click.echo(
        f"{what} snapshot {described['snapshot']}, revision {described['revision']}, from "
        f"{described['file']} to {described['store']}."
    )
    if described["replaces_snapshot"] is not None:
        click.echo(f"It takes the place of snapshot {described['replaces_snapshot']}.")
    if described["erased_again"]:
        click.echo(f"{len(described['erased_again'])} profiles are erased again.")


def _percents(advance: Advance) -> Progress:
    shown = 0

    def report(done: int, total: int) -> None:
        nonlocal shown
        percent = _WHOLE * done // max(total, 1)
        if percent > shown:
            advance(percent - shown)
            shown = percent

    return report
