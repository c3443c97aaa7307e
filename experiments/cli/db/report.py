"""Results of erasure and retention, as tables and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from core.moments import format_moment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from timetravel.removal.completion import CarriedOut
    from timetravel.upkeep.upkeep import Upkeep

_LABELS: Final = {
    "attribute_fact": "attributes and allocations",
    "availability_fact": "licence windows",
    "change_instant": "notes of changes",
    "document_fact": "documents",
    "entity": "entities",
    "erased_profile": "erased profiles",
    "event_fact": "events",
    "external_id": "texts of ids",
    "feature_fact": "feature vectors",
    "logged_feature": "logged feature groups",
    "logged_page": "logged pages",
    "logged_vectors": "vectors in logged pages of others",
}


def show_counts(what: str, removed: Mapping[str, int]) -> None:
    """Print how many rows are removed, by what they are."""
    if not removed:
        click.echo(f"{what}: nothing in the store.")
        return
    click.echo(f"{what}:")
    for name, count in removed.items():
        click.echo(f"  {count:>12,}  {_LABELS[name]}")


def show_carried_out(done: CarriedOut) -> None:
    """Print what was done to copies, and what is left to do elsewhere."""
    for place, files in done.purged.items():
        click.echo(f"{files:,} files of {place.path} rewritten or removed.")
    for place in done.elsewhere:
        click.echo(
            f"Not reached: {place.kind.value} in {place}. Run there: pagesim db upkeep "
            "--finish.",
            err=True,
        )


def describe_carried_out(done: CarriedOut) -> dict[str, object]:
    """Return the same as values for JSON."""
    return {
        "finished": [upkeep.upkeep_id for upkeep in done.upkeep],
        "purged": {str(place): files for place, files in done.purged.items()},
        "elsewhere": [str(place) for place in done.elsewhere],
    }


def show_upkeep(one: Upkeep) -> None:
    """Print one record of upkeep."""
    rows = sum(one.removed.values())
    state = "" if one.ended_at is not None else " (not finished)"
    click.echo(
        f"{one.upkeep_id:>4}  {format_moment(one.began_at)}  {one.kind.value:<11} "
        f"{rows:>10,} rows{state}  {one.reason}"
    )


def describe_upkeep(one: Upkeep) -> dict[str, object]:
    """Return one record of upkeep as values for JSON."""
    return {
        "id": one.upkeep_id,
        "kind": one.kind.value,
        "began_at": format_moment(one.began_at),
        "ended_at": None if one.ended_at is None else format_moment(one.ended_at),
        "reason": one.reason,
        "cutoff": None if one.cutoff is None else format_moment(one.cutoff),
        "snapshot": one.snapshot,
        "removed": dict(one.removed),
    }
