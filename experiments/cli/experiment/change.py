"""pagesim experiment cancel, pause, resume."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from experiments.cli.experiment.choice import id_argument, open_server, server_option
from experiments.cli.experiment.documents import describe_status
from experiments.cli.terminal import console, json_option, print_json

if TYPE_CHECKING:
    from experiments.server.doors.status import ExperimentStatus


@click.command()
@id_argument
@server_option
@json_option
def cancel(experiment_id: str, server: str, *, as_json: bool) -> None:
    """End the experiment ID, and remove the pages that it has made."""
    with open_server(server) as client:
        tell_state(client.cancel(experiment_id), as_json=as_json)


@click.command()
@id_argument
@server_option
@json_option
def pause(experiment_id: str, server: str, *, as_json: bool) -> None:
    """Let the experiment ID begin no more chunks of pages; those under way are finished."""
    with open_server(server) as client:
        tell_state(client.pause(experiment_id), as_json=as_json)


@click.command()
@id_argument
@server_option
@json_option
def resume(experiment_id: str, server: str, *, as_json: bool) -> None:
    """Let the experiment ID go on where it was; it was paused, or failed.

    Chunks of a failed one that were tried as often as they may be are tried as often again.
    """
    with open_server(server) as client:
        tell_state(client.resume(experiment_id), as_json=as_json)


def tell_state(status: ExperimentStatus, *, as_json: bool) -> None:
    """Print how an experiment is."""
    if as_json:
        print_json(describe_status(status))
    else:
        console.print(f"Experiment {status.experiment_id} is {status.state}.", soft_wrap=True)
