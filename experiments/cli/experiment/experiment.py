"""pagesim experiment: submit experiments to a server, look at them, change them."""

from __future__ import annotations

import click

from experiments.cli.lazy import LazyCommand, LazyGroup

_ROOM = "experiments.cli.experiment"
COMMANDS = {
    "submit": LazyCommand(f"{_ROOM}.submit", "submit", "Submit an experiment."),
    "list": LazyCommand(f"{_ROOM}.look", "list_", "List experiments."),
    "status": LazyCommand(f"{_ROOM}.look", "status", "Show how far an experiment is."),
    "watch": LazyCommand(f"{_ROOM}.watch", "watch", "Follow an experiment to its end."),
    "cancel": LazyCommand(
        f"{_ROOM}.change", "cancel", "End an experiment, and remove what it has made."
    ),
    "pause": LazyCommand(f"{_ROOM}.change", "pause", "Let an experiment begin no more pages."),
    "resume": LazyCommand(
        f"{_ROOM}.change", "resume", "Let an experiment go on that was paused, or failed."
    ),
    "extend": LazyCommand(
        f"{_ROOM}.submit", "extend", "Give an experiment that is over more variants."
    ),
    "history": LazyCommand(
        f"{_ROOM}.look", "history", "Show every attempt at the steps of an experiment."
    ),
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def experiment() -> None:
    """Submit experiments to a server, look at them, and change them.

    `pagesim server` is such a server; --server or PAGESIM_SERVER says where it is.
    """
