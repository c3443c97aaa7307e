"""Command groups that import a command when it is called, so that help is fast."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from experiments.cli.terminal import show_logs

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """Where a command is, and the one line that the group says of it."""

    module: str
    attribute: str
    short_help: str

    def load(self) -> click.Command:
        """Import the command; what it logs goes to the console."""
        show_logs()
        command = getattr(import_module(self.module), self.attribute)
        assert isinstance(command, click.Command)  # noqa: S101 - the table names commands
        return command


class LazyGroup(click.Group):
    """List commands from a table, in its order, and import the one that is called."""

    def __init__(
        self,
        *arguments: Any,  # noqa: ANN401 - click's
        lazy: Mapping[str, LazyCommand],
        **keywords: Any,  # noqa: ANN401 - click's
    ) -> None:
        super().__init__(*arguments, **keywords)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        del ctx
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command, None if there is none of that name."""
        del ctx
        found = self.lazy.get(cmd_name)
        return found.load() if found else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands with what the table says of them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.short_help) for name, lazy in self.lazy.items()])
