"""pagesim run: run an experiment, from its file to its report."""

from __future__ import annotations

import threading
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from experiments.cli.runs.dry_run import show_dry_run
from experiments.cli.runs.experiment_file import load_checked
from experiments.cli.terminal import (
    ScreenConsole,
    absolute_store,
    console,
    json_option,
    print_json,
    progress,
    segments_option,
    store_option,
    tls_option,
)
from experiments.notifications import Notifier, Persistence
from experiments.report.terminal import render
from experiments.runs.runner import run_experiment


@click.command()
@click.argument("experiment", type=click.Path(path_type=Path), metavar="EXPERIMENT.yaml")
@store_option
@segments_option
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIRECTORY",
    help="Directory of the run; runs/NAME-TIME if left out. Must be empty, not exist, or hold "
    "the same run, stopped before it was over: then it goes on. A run may be given further "
    "variants so, too, even when it is finished: only these are made.",
)
@click.option(
    "--snapshot",
    type=int,
    metavar="N",
    help="Read the store as it was when it had N transactions, e.g. to repeat a run: its "
    "run.json has the number. The newest if left out.",
)
@tls_option
@click.option(
    "--dry-run",
    type=click.IntRange(min=1),
    metavar="N",
    help="Make only N pages of each variant, drawn by the experiment's seed, in this process; "
    "write nothing, and tell how many could be made and how many differ from control.",
)
@json_option
def run(
    experiment: Path,
    store: str,
    segments: Path,
    output: Path | None,
    snapshot: int | None,
    tls: Path | None,
    dry_run: int | None,
    *,
    as_json: bool,
) -> None:
    """Run an experiment: make the pages of every variant, compare, and report.

    Starts Envoy, the services and a stack per partition; all of them end with the run,
    however it ends. A run that was stopped goes on when it is started again with the same
    --output, and makes the same pages. See docs/experiment-file.md for the file.

    With --dry-run nothing is started and nothing is written.
    """
    if dry_run is not None:
        _refuse_with_dry_run("--output", output)
        _refuse_with_dry_run("--tls", tls)
    url = absolute_store(store)
    spec, channels = load_checked(experiment, url, snapshot)
    if dry_run is not None:
        show_dry_run(spec, url, snapshot, dry_run, as_json=as_json)
        return
    now = datetime.now(UTC)
    directory = output or Path("runs") / f"{spec.name}-{now:%Y%m%dT%H%M%SZ}"
    result = run_experiment(
        spec,
        url,
        directory,
        segments=segments,
        snapshot=snapshot,
        tls=tls,
        now=lambda: datetime.now(UTC),
        progress=progress,
        notifier=Notifier(
            spec.notifications,
            channels,
            Persistence(),
            clock=time.monotonic,
            wait=threading.Event.wait,
        ),
    )
    if as_json:
        print_json(
            {
                "directory": str(result.directory),
                "report": str(result.report),
                "pages": result.record.pages,
                "failures": result.record.failures,
                "yields": [{**asdict(one), "yield": one.share} for one in result.record.yields],
                "snapshot": result.record.snapshot,
                "metrics": result.metrics.to_pylist(),
            }
        )
        return
    ScreenConsole().print(render(result.metrics))
    made = result.record.pages - result.record.failures
    console.print(
        f"{made} of {result.record.pages} pages made, snapshot {result.record.snapshot}."
    )
    for one in result.record.yields:
        if one.failures:
            console.print(one.sentence)
    console.print(f"Report: {result.report}", soft_wrap=True)


def _refuse_with_dry_run(option: str, given: Path | None) -> None:
    if given is not None:
        raise click.UsageError(
            f"{option} is of a run that is made; --dry-run writes nothing and starts nothing."
        )
