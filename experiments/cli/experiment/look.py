"""pagesim experiment list, status, history."""

from __future__ import annotations

import click

from experiments.cli.experiment.choice import id_argument, open_server, server_option
from experiments.cli.experiment.documents import (
    describe_experiment,
    describe_history,
    describe_status,
)
from experiments.cli.experiment.tables import render_history, render_list, render_status
from experiments.cli.mesh.tables import print_wide
from experiments.cli.terminal import json_option, print_json
from experiments.register.states import ExperimentState


@click.command("list")
@click.option(
    "--all",
    "with_all",
    is_flag=True,
    help="Those that are over, too: finished, failed, cancelled.",
)
@server_option
@json_option
def list_(server: str, *, with_all: bool, as_json: bool) -> None:
    """List the experiments of a server that are not over, as they were submitted."""
    states = [] if with_all else [state for state in ExperimentState if not state.is_over]
    with open_server(server) as client:
        found = [*client.list(states)]
    if as_json:
        print_json({"experiments": [describe_experiment(one) for one in found]})
    else:
        print_wide(render_list(found))


@click.command()
@id_argument
@server_option
@json_option
def status(experiment_id: str, server: str, *, as_json: bool) -> None:
    """Show how far the experiment ID is, by partition.

    A partition is a variant's pages of one slice of time. It is made in chunks, which are
    done, leased to a worker, waiting, or dead: tried as often as they may be.
    """
    with open_server(server) as client:
        found = client.get(experiment_id)
    if as_json:
        print_json(describe_status(found))
    else:
        print_wide(render_status(found))


@click.command()
@id_argument
@server_option
@json_option
def history(experiment_id: str, server: str, *, as_json: bool) -> None:
    """Show every attempt at the steps of the experiment ID, and chunks that failed.

    Of attempts at chunks that made nothing, the newest 100 are shown.
    """
    with open_server(server) as client:
        found = client.read_history(experiment_id)
    if as_json:
        print_json(describe_history(found))
    else:
        print_wide(render_history(found))
