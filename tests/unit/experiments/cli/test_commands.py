"""The pagesim command as a whole: its help, and what it loads for it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from experiments.cli.__main__ import COMMANDS, cli

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAVY = ("numba", "duckdb", "scipy", "alembic")


def every_command(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    """Yield the path of each command below a group."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from every_command(command, *path, name)


@pytest.mark.parametrize("path", list(every_command(cli)), ids=" ".join)
def test_every_command_explains_itself_and_each_of_its_options(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, [*path, "--help"])
    assert result.exit_code == 0
    command: click.Command | None = cli
    for name in path:
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), name)
    assert command is not None
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name


def test_every_command_is_listed_with_a_line_that_fits() -> None:
    result = CliRunner().invoke(cli, ["--help"], terminal_width=80)
    for name, command in COMMANDS.items():
        assert f"  {name}" in result.output
        assert command.short_help in result.output


@pytest.mark.integration
def test_help_and_mistakes_come_without_loading_what_commands_need() -> None:
    script = (
        "import sys\n"
        "from experiments.cli.__main__ import cli\n"
        "cli(['--help'], standalone_mode=False)\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    assert not loaded & {*HEAVY}


def test_a_command_that_is_not_there_is_answered_with_those_that_are() -> None:
    result = CliRunner().invoke(cli, ["rum"])
    assert result.exit_code == 2
    assert "No such command 'rum'" in result.output
