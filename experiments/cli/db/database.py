"""pagesim db: the schema of a store, and operations on the whole store."""

from __future__ import annotations

import click

from experiments.cli.lazy import LazyCommand, LazyGroup
from experiments.cli.terminal import make_default_folder, store_option
from timetravel.database import migrate

_HERE = "experiments.cli.db.database"
_ERASE = "experiments.cli.db.erase"
_BACKUPS = "experiments.cli.db.backups"
COMMANDS = {
    "upgrade": LazyCommand(_HERE, "upgrade", "Create a store, or bring it up to date."),
    "current": LazyCommand(_HERE, "current", "Print the revision that a store is at."),
    "check": LazyCommand(_HERE, "check", "Compare a store's tables with those needed."),
    "erase": LazyCommand(_ERASE, "erase", "Erase profiles, everywhere."),
    "readmit": LazyCommand(_ERASE, "readmit", "Accept facts about erased profiles again."),
    "retain": LazyCommand(
        "experiments.cli.db.retain", "retain", "Remove versions superseded long ago."
    ),
    "upkeep": LazyCommand(
        "experiments.cli.db.upkeep",
        "upkeep",
        "List erasures and retention, and finish them.",
    ),
    "backup": LazyCommand(_BACKUPS, "backup", "Write a backup while the store is in use."),
    "restore": LazyCommand(_BACKUPS, "restore", "Restore a store from a backup."),
}


@click.group(name="db", cls=LazyGroup, lazy=COMMANDS)
def database() -> None:
    """Create and maintain a store."""


@click.command()
@store_option
def upgrade(store: str) -> None:
    """Create the store if it does not exist, and run missing migrations."""
    make_default_folder(store)
    click.echo(f"The store is at revision {migrate.upgrade(store)}.", err=True)


@click.command()
@store_option
def current(store: str) -> None:
    """Print the revision that the store is at."""
    click.echo(migrate.current_revision(store) or "none")


@click.command()
@store_option
def check(store: str) -> None:
    """Compare the store's tables with those that this pagesim needs."""
    migrate.check(store)
    click.echo(
        f"The store is at revision {migrate.newest_revision()}, as it should be.", err=True
    )
