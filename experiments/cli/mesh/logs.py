"""pagesim mesh logs: one log of everything that belongs to a stack."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from core.moments import format_moment, parse_moment, to_micros
from core.screen_text import escape_line
from experiments.cli.mesh.choice import mesh_option, open_mesh
from experiments.cli.terminal import console, json_option
from mesh.client.announcement import announcement_folder, find_announcements
from mesh.errors import MeshNotFound
from mesh.observation.log_lines import ACCESS, StackLogs, choose_lines

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mesh.observation.log_lines import LogLine

_POLL_SECONDS = 0.25
_AGO = re.compile(r"(\d+)([smhd])")
_UNIT_MICROS = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_TOLD_ELSEWHERE = frozenset({"at", "timestamp", "event", "level", "stack", "as_of", "variant"})


@click.command()
@click.argument("stack")
@mesh_option
@click.option(
    "--follow",
    "-f",
    is_flag=True,
    help="Follow new entries until Ctrl-C or the end of the mesh.",
)
@click.option("--errors", is_flag=True, help="Only failed calls, warnings and tracebacks.")
@click.option(
    "--since",
    metavar="MOMENT",
    help="Leave out what is older: 30s, 10m, 2h, 1d, or 2026-05-01T12:00:00Z.",
)
@click.option(
    "--tail", type=click.IntRange(min=0), metavar="N", help="Begin with the last N lines."
)
@json_option
def logs(
    stack: str,
    mesh: str | None,
    since: str | None,
    tail: int | None,
    *,
    follow: bool,
    errors: bool,
    as_json: bool,
) -> None:
    """Show what Envoy and the processes logged of STACK, ordered by time.

    This is everything from the stack's own processes, and what names the stack in Envoy's
    access log and the logs of the baseline. With --json there is a line for each entry.
    """
    now_micros = to_micros(datetime.now(UTC))
    since_micros = None if since is None else parse_since(since, now_micros)
    with open_mesh(mesh) as chosen:
        if chosen.announcement is None:
            raise MeshNotFound(
                f"The mesh at {chosen.control_address} does not run as you on this machine, so "
                "its logs cannot be read.",
                remedy="Run the command where the mesh runs.",
                field="--mesh",
            )
        chosen.get_stack(stack)
        directory = chosen.announcement.directory
    reading = StackLogs(directory, stack)

    def read() -> list[LogLine]:
        return choose_lines(reading.read_new(), since_micros=since_micros, only_errors=errors)

    lines = read()
    _print(lines if tail is None else lines[len(lines) - min(tail, len(lines)) :], as_json)
    while follow and _is_running(directory):
        time.sleep(_POLL_SECONDS)
        _print(read(), as_json)
    if follow:
        console.print("The mesh has ended.")


def parse_since(text: str, now_micros: int) -> int:
    """Return the moment meant, microseconds since 1970-01-01 UTC.

    Raises:
        InvalidInput: It is neither a number of s, m, h or d, nor a moment.
    """
    ago = _AGO.fullmatch(text)
    if ago:
        return now_micros - int(ago[1]) * _UNIT_MICROS[ago[2]]
    return parse_moment(text, field="--since")


def _is_running(directory: Path) -> bool:
    announced = find_announcements(announcement_folder(os.environ))
    return any(announcement.directory == directory for announcement in announced)


def _print(lines: Sequence[LogLine], as_json: bool) -> None:  # noqa: FBT001 - as the flag is
    for line in lines:
        sys.stdout.write(f"{_write_json(line) if as_json else escape_line(_write(line))}\n")
    sys.stdout.flush()


def _write_json(line: LogLine) -> str:
    return json.dumps(
        {
            "at": format_moment(line.at_micros),
            "source": line.source,
            "stack": line.stack,
            "error": line.is_error,
            "entry": dict(line.values) or None,
            "text": line.text,
        },
        ensure_ascii=False,
    )


def _write(line: LogLine) -> str:
    start = f"{format_moment(line.at_micros)[11:23]}  {line.source}  "
    values = line.values
    if not values:
        return f"{start}{line.text}"
    if line.source != ACCESS:
        rest = " ".join(
            f"{name}={value}" for name, value in values.items() if name not in _TOLD_ELSEWHERE
        )
        return f"{start}{values.get('level', '')} {values.get('event', '')} {rest}".rstrip()
    return (
        f"{start}{values.get('grpc_status')} {values.get('path')} "
        f"{values.get('milliseconds')} ms -> {values.get('cluster') or 'nobody'} "
        f"{values.get('replica') or ''} attempts={values.get('attempts')} "
        f"flags={values.get('flags')}"
    )
