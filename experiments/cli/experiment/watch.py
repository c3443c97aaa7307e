"""pagesim experiment watch: follow an experiment to its end."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import click
from rich.live import Live

from core.screen_text import escape_controls
from experiments.cli.experiment.choice import id_argument, open_server, server_option
from experiments.cli.experiment.documents import describe_status, find_report
from experiments.cli.experiment.pace import Paces
from experiments.cli.experiment.tables import render_watched, write_line
from experiments.cli.terminal import ScreenConsole, console, json_option
from experiments.errors import ExperimentFailed
from experiments.register.states import ExperimentState

if TYPE_CHECKING:
    from rich.console import RenderableType

    from core.errors import Unavailable
    from experiments.server.doors.client import ExperimentClient
    from experiments.server.doors.status import ExperimentStatus

_LINES_AROUND: Final = 12
_LEAST_ROWS: Final = 4


@click.command()
@id_argument
@server_option
@json_option
def watch(experiment_id: str, server: str, *, as_json: bool) -> None:
    """Follow the experiment ID to its end; Ctrl-C ends the following alone.

    On a terminal it is shown as it goes on; elsewhere there is a line for each change, and
    with --json a document on each line. The command fails if the experiment ends without a
    report.
    """
    with open_server(server) as client:
        follow(client, experiment_id, as_json=as_json)


def follow(client: ExperimentClient, experiment_id: str, *, as_json: bool) -> None:
    """Show an experiment until it is over.

    Raises:
        ExperimentFailed: It ended without a report.
    """
    output = ScreenConsole()
    if as_json:
        last = _print_documents(client, experiment_id)
    elif output.is_terminal:
        last = _show(client, experiment_id, output)
    else:
        last = _print_lines(client, experiment_id)
    _judge(last)


def _print_documents(client: ExperimentClient, experiment_id: str) -> ExperimentStatus | None:
    last = None
    for last in client.watch(experiment_id, _tell_lost):
        text = json.dumps(describe_status(last), ensure_ascii=False)
        sys.stdout.write(f"{escape_controls(text)}\n")
        sys.stdout.flush()
    return last


def _print_lines(client: ExperimentClient, experiment_id: str) -> ExperimentStatus | None:
    last = None
    for last in client.watch(experiment_id, _tell_lost):
        sys.stdout.write(f"{write_line(last)}\n")
        if report := find_report(last):
            sys.stdout.write(f"Report: {report}\n")
        sys.stdout.flush()
    return last


@dataclass(slots=True)
class _Watched:
    """What is shown of an experiment at any moment."""

    output: ScreenConsole
    status: ExperimentStatus | None = None
    paces: Paces = field(default_factory=Paces)

    def render(self) -> RenderableType:
        if self.status is None:
            return ""
        rows = max(self.output.height - _LINES_AROUND, _LEAST_ROWS)
        return render_watched(self.status, self.paces, time.monotonic(), rows)


def _show(
    client: ExperimentClient, experiment_id: str, output: ScreenConsole
) -> ExperimentStatus | None:
    watched = _Watched(output)
    # Redirected, texts would be searched for styles.
    with Live(
        console=output,
        get_renderable=watched.render,
        refresh_per_second=2,
        redirect_stdout=False,
        redirect_stderr=False,
    ):
        for status in client.watch(
            experiment_id, lambda error: output.print(f"{error.problem} Waiting for it.")
        ):
            watched.paces.note(time.monotonic(), status)
            watched.status = status
    return watched.status


def _tell_lost(error: Unavailable) -> None:
    console.print(f"{error.problem} Waiting for it.", soft_wrap=True)


def _judge(last: ExperimentStatus | None) -> None:
    if last is None or last.state is ExperimentState.FINISHED:
        return
    if last.state is ExperimentState.CANCELLED:
        raise ExperimentFailed(
            f"Experiment {last.experiment_id} was cancelled.",
            remedy="Submit it again to have its report.",
        )
    raise ExperimentFailed(
        f"Experiment {last.experiment_id} failed: {last.reason}",
        remedy=f"`pagesim experiment history {last.experiment_id}` shows what was tried; "
        "`pagesim experiment resume` lets it go on.",
    )
