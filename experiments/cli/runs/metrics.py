"""pagesim metrics: measure the pages of a run again."""

from __future__ import annotations

from pathlib import Path

import click

from experiments.cli.terminal import (
    ScreenConsole,
    absolute_store,
    console,
    json_option,
    print_json,
    progress,
    segments_option,
    store_option,
)
from experiments.report.terminal import render
from experiments.runs.measurement import measure_again
from timetravel.store import Store


@click.command()
@click.argument(
    "directory", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="RUN"
)
@store_option
@segments_option
@json_option
def metrics(directory: Path, store: str, segments: Path, *, as_json: bool) -> None:
    """Measure the pages that the run in RUN has made, and write its report anew.

    No page is made: metrics that this version of pagesim has, and the one that made the run
    had not, are computed from its files.
    """
    with Store.open(absolute_store(store)) as opened:
        measured, report = measure_again(directory, opened, segments, progress=progress)
    if as_json:
        print_json(
            {
                "directory": str(directory),
                "report": str(report),
                "metrics": measured.to_pylist(),
            }
        )
        return
    ScreenConsole().print(render(measured))
    console.print(f"Report: {report}", soft_wrap=True)
