"""Options that the commands for erasure and retention share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

Command = TypeVar("Command", bound="Callable[..., Any] | click.Command")

ELSEWHERE: Final = 4
"""Exit code when copies remain that cannot be reached from here."""

profiles_argument = click.argument(
    "profiles", nargs=-1, required=True, type=click.IntRange(min=0), metavar="PROFILE..."
)
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Show what would be done, and do nothing."
)


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
