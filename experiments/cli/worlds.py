"""pagesim import, pagesim world: make worlds, and live them forward."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from core.moments import EARLIEST_MICROS, format_moment, parse_moment
from experiments.cli.terminal import console, json_option, print_json, progress, store_option
from timetravel.facts.external_ids import IdForm
from timetravel.store import Store
from worlds.directory import open_world
from worlds.live import LifeReport, live_forward, read_report
from worlds.movielens import import_movielens, source_bytes
from worlds.synthetic import SyntheticPlan, generate_world

if TYPE_CHECKING:
    from worlds.manifest import Manifest

_DEFAULTS: Final = SyntheticPlan()


_target_option = click.option(
    "--world",
    "path",
    required=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Where to write the world; must not exist.",
)
_world_option = click.option(
    "--world",
    "path",
    required=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="The world.",
)
_seed_option = click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Seed of all that is generated.",
)


_ids_option = click.option(
    "--ids",
    type=click.Choice(IdForm, case_sensitive=False),
    default="numbers",
    show_default=True,
    help="Name members and videos by whole numbers, or by texts: UUIDs.",
)


@click.group(name="import")
def import_() -> None:
    """Import your own data as a world."""


@import_.command(name="movielens")
@click.argument("directory", type=click.Path(path_type=Path))
@_target_option
@_seed_option
@_ids_option
@json_option
def movielens(directory: Path, path: Path, seed: int, ids: IdForm, *, as_json: bool) -> None:
    """Make a world from DIRECTORY, an unpacked MovieLens release.

    Ratings become events at their own times, films the catalogue. What MovieLens lacks
    (countries, devices, maturity ratings, licences, visits) is derived by seeded rules and
    marked as synthetic. Nothing enters a store until the world is lived.
    """
    with progress("Reading ratings", source_bytes(directory)) as advance:
        report = import_movielens(directory, path, seed=seed, ids=ids, advance=advance)
    _show_manifest(report.manifest, as_json=as_json)


@click.group()
def world() -> None:
    """Generate and show worlds, and live them forward."""


@world.command()
@_target_option
@click.option(
    "--profiles", type=int, default=_DEFAULTS.profiles, show_default=True, help="Members."
)
@click.option("--videos", type=int, default=_DEFAULTS.videos, show_default=True, help="Videos.")
@click.option(
    "--days", type=int, default=_DEFAULTS.days, show_default=True, help="How long it lasts."
)
@click.option(
    "--countries",
    default=",".join(_DEFAULTS.countries),
    show_default=True,
    metavar="CODES",
    help="Codes separated by commas, the one with most members first.",
)
@click.option(
    "--since",
    default=format_moment(_DEFAULTS.since_micros)[: len("2024-01-01")],
    show_default=True,
    metavar="DATE",
    help="When it begins.",
)
@_seed_option
@_ids_option
@json_option
def generate(
    path: Path,
    profiles: int,
    videos: int,
    days: int,
    countries: str,
    since: str,
    seed: int,
    ids: IdForm,
    *,
    as_json: bool,
) -> None:
    """Generate a synthetic streaming service: catalogue, licences, members, events.

    Facts are late, repeated, wrong and withdrawn, as in production. The truth is kept in
    truth/ inside the world, and never enters a store.
    """
    plan = SyntheticPlan(
        profiles=profiles,
        videos=videos,
        days=days,
        seed=seed,
        countries=tuple(code.strip() for code in countries.split(",")),
        since_micros=parse_moment(since, field="since"),
    )
    with progress("Simulating members", plan.profiles) as advance:
        manifest = generate_world(plan, path, ids=ids, advance=advance)
    _show_manifest(manifest, as_json=as_json)


@world.command()
@_world_option
@click.option("--store", metavar="URL", help="Also show how far this store has lived it.")
@json_option
def show(path: Path, store: str | None, *, as_json: bool) -> None:
    """Show what a world contains."""
    opened = open_world(path)
    report = None
    if store is not None:
        with Store.open(store) as lived:
            report = read_report(opened, lived)
    if as_json:
        described = _describe_manifest(opened.manifest)
        print_json(described | ({} if report is None else {"lived": _describe(report)}))
        return
    _show_manifest(opened.manifest, as_json=False)
    if report is not None:
        _show_report(report)


@world.command()
@_world_option
@store_option
@click.option("--until", metavar="MOMENT", help="Stop there; run again to resume.")
@json_option
def live(path: Path, store: str, until: str | None, *, as_json: bool) -> None:
    """Live a world forward into a store.

    Facts enter the store as they become known, features are computed, and at each visit a
    page is made from what is known by then, and logged. It may be stopped at any time; run
    it again to resume.
    """
    opened = open_world(path)
    end = opened.manifest.until_micros
    stop = end if until is None else min(parse_moment(until, field="until"), end)
    visits = opened.visits().count_until(stop)
    with Store.open(store) as lived:
        _show_start(read_report(opened, lived), stop)
        with progress("Living forward, visit by visit", visits) as advance:
            try:
                report = live_forward(opened, lived, until=stop, advance=advance)
            except KeyboardInterrupt:
                console.print("Stopped. Run the same command to go on.")
                raise
    if as_json:
        print_json(_describe(report))
    else:
        _show_report(report)


def _show_manifest(manifest: Manifest, *, as_json: bool) -> None:
    if as_json:
        print_json(_describe_manifest(manifest))
        return
    span = f"{format_moment(manifest.since_micros)} to {format_moment(manifest.until_micros)}"
    click.echo(f"{manifest.source} world {manifest.world_id}, {span}")
    for name, count in manifest.counts.items():
        click.echo(f"  {name:<14}{count:>12,}")
    if manifest.ids is IdForm.TEXTS:
        click.echo("Members and videos are named by texts: see ids.parquet.")
    for remark in manifest.remarks:
        click.echo(f"Note: {remark}", err=True)


def _describe_manifest(manifest: Manifest) -> dict[str, object]:
    return {
        "world": manifest.world_id,
        "source": manifest.source,
        "seed": manifest.seed,
        "ids": manifest.ids.name.lower(),
        "since": format_moment(manifest.since_micros),
        "until": format_moment(manifest.until_micros),
        "countries": list(manifest.countries),
        "counts": dict(manifest.counts),
        "remarks": list(manifest.remarks),
    }


def _show_start(report: LifeReport, stop: int) -> None:
    if report.lived_until >= stop:
        console.print("There is nothing left to live.")
    elif report.lived_until > EARLIEST_MICROS:
        console.print(
            f"Going on from {format_moment(report.lived_until)}, "
            f"with {report.pages:,} pages logged so far.",
        )


def _show_report(report: LifeReport) -> None:
    if report.lived_until == EARLIEST_MICROS:
        click.echo("Not lived yet.")
        return
    end = ", its end" if report.is_complete else ""
    click.echo(
        f"Lived until {format_moment(report.lived_until)}{end}: {report.pages:,} pages logged."
    )
    if report.failures:
        click.echo(f"At {report.failures:,} visits no page could be made.", err=True)


def _describe(report: LifeReport) -> dict[str, object]:
    begun = report.lived_until > EARLIEST_MICROS
    return {
        "lived_until": format_moment(report.lived_until) if begun else None,
        "pages": report.pages,
        "failures": report.failures,
        "is_complete": report.is_complete,
    }
