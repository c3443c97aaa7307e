"""pagesim server: run the experiments of many people."""

from __future__ import annotations

import time
from pathlib import Path

import click

from experiments.cli.terminal import (
    absolute_store,
    console,
    segments_option,
    store_option,
)
from experiments.server.programs import describe_programs
from experiments.server.settings import (
    DATABASE_VARIABLE,
    DEFAULT_SERVER,
    ServerSettings,
    name_process,
    open_tables,
    read_clock_micros,
)
from experiments.server.supervision import Supervision
from mesh.call.addresses import parse_address
from mesh.host.ports import ReservedPort
from mesh.serving.server import stop_signals
from timetravel.store import Store


@click.command()
@click.option(
    "--database",
    required=True,
    envvar=DATABASE_VARIABLE,
    show_envvar=True,
    metavar="URL",
    help="Holds experiments and their chunks: sqlite:///path/to/server.db, or "
    "postgresql+psycopg://user@host/database, which servers on several machines may share. "
    "Its tables are made if they are not there.",
)
@store_option
@segments_option
@click.option(
    "--runs",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    show_default=True,
    metavar="DIRECTORY",
    help="Gets a directory for each experiment. Servers that share a database share it, too.",
)
@click.option(
    "--address",
    default=DEFAULT_SERVER,
    show_default=True,
    metavar="HOST:PORT",
    help="Where `pagesim experiment` reaches the server; port 0 means any free one. Whoever "
    "reaches it may submit and cancel experiments.",
)
@click.option(
    "--workers",
    type=click.IntRange(0, 64),
    default=1,
    show_default=True,
    metavar="N",
    help="Processes that make pages, each with a mesh of its own.",
)
@click.option(
    "--stacks",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    metavar="N",
    help="Of each worker at a time.",
)
def server(
    database: str,
    store: str,
    segments: Path,
    runs: Path,
    address: str,
    workers: int,
    stacks: int,
) -> None:
    """Run experiments until Ctrl-C: doors, a controller, and workers that make pages.

    Whatever dies of it is started again, and goes on where it was. A server that was stopped,
    or killed, goes on when it is started again with the same database and directory.
    """
    settings = ServerSettings(
        absolute_store(database), absolute_store(store), runs.absolute(), segments.absolute()
    )
    Store.open(settings.store_url).close()
    settings.runs.mkdir(parents=True, exist_ok=True)
    logs = settings.runs / ".server" / name_process().replace("/", "-")
    field = "--address"
    with (
        ReservedPort(parse_address(address, field=field), field=field) as port,
        open_tables(settings) as tables,
    ):
        asked_to_stop = stop_signals()
        supervision = Supervision(
            describe_programs(
                settings, logs, address=str(port.address), workers=workers, stacks=stacks
            ),
            tables.register,
            read_clock_micros,
            time.monotonic,
        )
        console.print(
            f"Serving {settings.runs} at {port.address}; logs are in {logs}. Ctrl-C stops it.",
            soft_wrap=True,
        )
        supervision.run(asked_to_stop)
