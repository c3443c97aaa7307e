"""pagesim experiment submit, extend."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path

import click

from experiments.cli.experiment.change import tell_state
from experiments.cli.experiment.choice import id_argument, open_server, server_option
from experiments.cli.experiment.documents import describe_status
from experiments.cli.experiment.watch import follow
from experiments.cli.terminal import console, json_option, print_json
from experiments.spec.loading import read_file


@click.command()
@click.argument("file", type=click.Path(path_type=Path), metavar="EXPERIMENT.yaml")
@click.option(
    "--owner", metavar="NAME", help="Who submits it; the name of your login if left out."
)
@click.option("--watch", is_flag=True, help="Follow it to its end, as `watch` does.")
@server_option
@json_option
def submit(file: Path, owner: str | None, server: str, *, watch: bool, as_json: bool) -> None:
    """Submit an experiment to a server, and print its id.

    A file with a mistake is refused before anything starts, with every mistake in it.
    """
    text = read_file(file)
    with open_server(server) as client:
        status = client.submit(text, str(file), owner or _read_login())
        if not watch:
            if as_json:
                print_json(describe_status(status))
            else:
                sys.stdout.write(f"{status.experiment_id}\n")
            return
        console.print(f"Submitted as {status.experiment_id}.")
        follow(client, status.experiment_id, as_json=as_json)


@click.command()
@id_argument
@click.argument("file", type=click.Path(path_type=Path), metavar="EXPERIMENT.yaml")
@server_option
@json_option
def extend(experiment_id: str, file: Path, server: str, *, as_json: bool) -> None:
    """Give the experiment ID, which is over, the further variants of its file.

    They are made for the same members and moments; what there is of the others stays.
    """
    with open_server(server) as client:
        tell_state(client.extend(experiment_id, read_file(file), str(file)), as_json=as_json)


def _read_login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a number without an entry in /etc/passwd
        raise click.UsageError("Nobody knows who you are. Give --owner NAME.") from None
