"""pagesim db upkeep: list erasures and retention, and complete what was interrupted."""

from __future__ import annotations

import sys

import click

from experiments.cli.db.environment import upkeep_environment
from experiments.cli.db.options import ELSEWHERE
from experiments.cli.db.report import (
    describe_carried_out,
    describe_upkeep,
    show_carried_out,
    show_upkeep,
)
from experiments.cli.terminal import json_option, needed_store_option, print_json, progress
from timetravel.database.engine import reading, writing
from timetravel.errors import InvalidUpkeep
from timetravel.removal import completion
from timetravel.store import Store
from timetravel.upkeep.copies import forget_copy_folder, read_copy_folders


@click.command()
@needed_store_option
@click.option("--finish", is_flag=True, help="Finish what was interrupted, as far as possible.")
@click.option(
    "--forget",
    "forgotten",
    multiple=True,
    metavar="HOST:PATH",
    help="Forget a folder of copies that was destroyed with its machine.",
)
@json_option
def upkeep(store: str, forgotten: tuple[str, ...], *, finish: bool, as_json: bool) -> None:
    """List erasures, retention and restores, and the folders that hold copies.

    Exits with 4 if copies remain that cannot be reached from here.
    """
    with Store.open(store) as opened:
        for name in forgotten:
            _forget(opened, name)
        done = completion.CarriedOut(elsewhere=completion.folders_behind(opened.engine))
        if finish:
            with progress("Carrying on"):
                done = completion.finish_upkeep(opened.engine, upkeep_environment(opened))
        with reading(opened.engine) as connection:
            recorded, places = opened.upkeep(), read_copy_folders(connection)
    if as_json:
        described = {"upkeep": [describe_upkeep(upkeep_record) for upkeep_record in recorded]}
        print_json(
            described
            | {"folders": [str(place) for place in places]}
            | describe_carried_out(done)
        )
    else:
        for upkeep_record in recorded:
            show_upkeep(upkeep_record)
        for place in places:
            click.echo(f"{place.kind.value} in {place}")
        show_carried_out(done)
    sys.exit(ELSEWHERE if done.elsewhere else 0)


def _forget(store: Store, name: str) -> None:
    with writing(store.engine) as connection:
        for place in read_copy_folders(connection):
            if str(place) == name:
                forget_copy_folder(connection, place)
                return
    raise InvalidUpkeep(
        f"{name} is not a folder of copies.",
        remedy="Name one as `pagesim db upkeep` lists it.",
        field="--forget",
    )
