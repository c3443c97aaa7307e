"""pagesim ingest: load data files into a store."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from experiments.cli.terminal import console, json_option, print_json, progress, store_option
from experiments.ingest.loading import RECORDS_PER_CHUNK, Loader
from experiments.ingest.mapping.entries import KINDS
from experiments.ingest.mapping.mapping import load_mapping
from experiments.ingest.plan import make_plan
from timetravel.store import Store

if TYPE_CHECKING:
    from experiments.ingest.loading import Report

_SHOWN_REFUSALS: Final = 20


@click.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILES..."
)
@store_option
@click.option(
    "--kind", required=True, type=click.Choice(tuple(KINDS)), help="Kind of the records."
)
@click.option(
    "--mapping",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Maps columns to facts; see docs/ingest.md.",
)
@click.option(
    "--stream",
    metavar="NAME",
    help="Name of this ingest, for resuming it; derived from files and mapping if left out.",
)
@click.option(
    "--known-at",
    metavar="COLUMN|ingest-time",
    help="When the live system learned it: a column, or `ingest-time` if it learns it only "
    "now. Overrides the mapping's known_at.",
)
@click.option(
    "--rejects",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Gets refused records: one JSON object per line.",
)
@click.option(
    "--records-per-chunk",
    type=click.IntRange(1, 1_000_000),
    default=RECORDS_PER_CHUNK,
    show_default=True,
    help="Records in one transaction.",
)
@click.option("--dry-run", is_flag=True, help="Check every record, and write nothing.")
@json_option
@click.pass_context
def ingest(
    context: click.Context,
    files: tuple[Path, ...],
    store: str,
    kind: str,
    mapping: Path,
    stream: str | None,
    known_at: str | None,
    rejects: Path | None,
    records_per_chunk: int,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Load facts of one kind from FILES: CSV, JSON Lines (.jsonl) or Parquet.

    Records that are wrong are left out and reported; if there are any, the exit code is 1.
    It may be stopped at any time; run the same command again to resume. Running it again
    when it is done changes nothing.
    """
    loaded = load_mapping(mapping, kind)
    total = sum(path.stat().st_size for path in files if path.is_file())
    with Store.open(store) as opened:
        plan = make_plan(files, loaded, opened.registry(), stream=stream, known_at=known_at)
        loader = Loader(
            opened,
            plan,
            now_micros=lambda: time.time_ns() // 1_000,
            records_per_chunk=records_per_chunk,
            is_dry=dry_run,
        )
        try:
            with progress(f"Reading {kind}", total) as advance:
                report = loader.load(rejects, advance)
        except KeyboardInterrupt:
            console.print("Stopped. Run the same command to go on.")
            raise
    if as_json:
        print_json(asdict(report) | {"is_dry": dry_run})
    else:
        _show(report, rejects, is_dry=dry_run)
    if report.refused:
        context.exit(1)


def _show(report: Report, rejects: Path | None, *, is_dry: bool) -> None:
    for refused in report.first_refused[:_SHOWN_REFUSALS]:
        click.echo(str(refused), err=True)
    if len(report.first_refused) > _SHOWN_REFUSALS:
        where = f" {rejects} has all of them." if rejects else " --rejects FILE keeps them all."
        click.echo(f"... and more.{where}", err=True)
    done = "would be taken" if is_dry else "taken"
    click.echo(
        f"{report.records:,} records read, {report.facts:,} facts {done}, "
        f"{report.refused:,} records refused."
    )
    if not is_dry:
        click.echo(f"Stream {report.stream}, snapshot {report.snapshot}.", err=True)
