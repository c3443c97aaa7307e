"""Options that the commands for erasure and retention share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from timetravel.facts.model import EntityKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from timetravel.store import Store

Command = TypeVar("Command", bound="Callable[..., Any] | click.Command")

ELSEWHERE: Final = 4
"""Exit code when copies remain that cannot be reached from here."""

profiles_argument = click.argument("profiles", nargs=-1, required=True, metavar="PROFILE...")
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Show what would be done, and do nothing."
)


def number_profiles(store: Store, profiles: Sequence[str]) -> tuple[int, ...]:
    """Return the profiles of some names, as the store names them.

    Raises:
        InvalidQuestion: A name cannot be that of a profile.
    """
    return tuple(store.number_entity(EntityKind.PROFILE, name) for name in profiles)


def reason_option(default: str | None = None) -> Callable[[Command], Command]:
    """Return the option that asks why."""
    # To click, a default of None is a default.
    given = {"required": True} if default is None else {"default": default}
    return click.option(
        "--reason",
        **given,
        show_default=True,
        metavar="TEXT",
        help="Why; recorded in the store, so without personal data: a ticket's number.",
    )
