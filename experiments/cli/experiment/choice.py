"""Chooses the server that a command is about."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from experiments.server.doors.client import ExperimentClient
from experiments.server.settings import DEFAULT_SERVER

if TYPE_CHECKING:
    from collections.abc import Iterator

server_option = click.option(
    "--server",
    envvar="PAGESIM_SERVER",
    show_envvar=True,
    default=DEFAULT_SERVER,
    show_default=True,
    metavar="HOST:PORT",
    help="Where `pagesim server` serves.",
)

id_argument = click.argument("experiment_id", metavar="ID")


@contextmanager
def open_server(address: str) -> Iterator[ExperimentClient]:
    """Hold a client of the server.

    Raises:
        InvalidInput: The address is not a host:port.
    """
    client = ExperimentClient(address)
    try:
        yield client
    finally:
        client.close()
