"""pagesim services: run one service by hand."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Final

import click


@dataclass(frozen=True, slots=True)
class Service:
    """Name a service that can be run by hand: its module, and what it does."""

    module: str
    summary: str


SERVICES: Final[dict[str, Service]] = {
    "time-travel": Service("timetravel", "facts as they were true and known at a moment"),
    "filtering": Service("services.filtering", "which videos a profile may see"),
    "ranking": Service("services.ranking", "the order of videos inside rows"),
    "dedup": Service("services.dedup", "no video twice, and full rows all the same"),
    "assembler": Service("services.assembler", "whole homepages"),
}


@click.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    epilog="Example: pagesim services ranking --address 127.0.0.1:50053 "
    "--mesh-address 127.0.0.1:50050",
)
@click.option("--list", "lists", is_flag=True, help="List the services and their modules.")
@click.option("--help", "helps", is_flag=True, help="Show this message, or that of NAME.")
@click.argument("name", required=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def services(
    context: click.Context,
    *,
    lists: bool,
    helps: bool,
    name: str | None,
    arguments: tuple[str, ...],
) -> None:
    """Run one service by hand, in the foreground, until Ctrl-C.

    What follows NAME goes to the service; `pagesim services NAME --help` lists it. The same
    as `python -m MODULE`, as the mesh starts it.
    """
    if lists:
        width = max(map(len, SERVICES))
        for own_name, service in SERVICES.items():
            click.echo(f"{own_name:{width}}  python -m {service.module}  ({service.summary})")
        return
    if name is None:
        click.echo(context.get_help())
        context.exit(0 if helps else 2)
    if name not in SERVICES:
        raise click.BadParameter(
            f"{name!r} is not a service; use one of {', '.join(SERVICES)}.", param_hint="NAME"
        )
    if helps:
        arguments = ("--help", *arguments)
    # The service takes this process over, so that signals and the exit code are its own.
    os.execv(sys.executable, [sys.executable, "-m", SERVICES[name].module, *arguments])  # noqa: S606 - a module from the table above
