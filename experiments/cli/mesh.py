"""pagesim mesh: what is done about the mesh as a whole."""

from __future__ import annotations

import click

from experiments.cli.lazy import LazyCommand, LazyGroup

COMMANDS = {
    "certificates": LazyCommand(
        "experiments.cli.certificates", "certificates", "Make and renew certificates."
    ),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def mesh() -> None:
    """Look after the mesh."""
