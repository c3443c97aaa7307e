"""Writes docs/commands.md from the commands, so that it cannot drift."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from experiments.cli.__main__ import cli

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEADER = """\
# Commands

Written from the commands themselves by `make docs`; `pagesim COMMAND --help` says the same.
Every command that has a result takes `--json`. Progress and messages go to standard error,
results to standard output.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | something is wrong; the message says what to do |
| 2 | the command line is wrong |
| 3 | `validate`: done, and below the threshold |
| 4 | `db erase`, `retain`, `restore`, `upkeep`: done, but copies on other machines remain |
| 130 | interrupted |
"""


def describe_commands(root: click.Group) -> str:
    """Return the reference of a command and everything below it, as Markdown."""
    sections = [_HEADER]
    context = click.Context(
        root, info_name="pagesim", terminal_width=88, **root.context_settings
    )
    for command_context in _walk(context):
        title = command_context.command_path
        text = command_context.command.get_help(command_context).rstrip()
        sections.append(f"## {title}\n\n```text\n{text}\n```\n")
    return "\n".join(sections)


def _walk(context: click.Context) -> Iterator[click.Context]:
    yield context
    command = context.command
    if not isinstance(command, click.Group):
        return
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        if child is not None and not child.hidden:
            yield from _walk(
                click.Context(child, parent=context, info_name=name, terminal_width=88)
            )


if __name__ == "__main__":
    sys.stdout.write(describe_commands(cli))
