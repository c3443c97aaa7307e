"""pagesim db: bring a store to the schema of this pagesim."""

from __future__ import annotations

import click

from timetravel import migrate


@click.group(name="db")
def database() -> None:
    """Create a store, and keep its schema up to date."""


_store_option = click.option(
    "--store",
    required=True,
    envvar="PAGESIM_STORE",
    show_envvar=True,
    metavar="URL",
    help="sqlite:///path/to/store.db or postgresql+psycopg://user@host/database.",
)


@database.command()
@_store_option
def upgrade(store: str) -> None:
    """Create the store if there is none, and run the migrations it lacks."""
    click.echo(f"The store is at revision {migrate.upgrade(store)}.", err=True)


@database.command()
@_store_option
def current(store: str) -> None:
    """Print the revision that the store is at."""
    click.echo(migrate.current_revision(store) or "none")


@database.command()
@_store_option
def check(store: str) -> None:
    """Compare the store's tables with those that this pagesim needs."""
    migrate.check(store)
    click.echo(
        f"The store is at revision {migrate.newest_revision()}, as it should be.", err=True
    )
