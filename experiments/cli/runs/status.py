"""pagesim status: how far a run is."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich import box
from rich.table import Table

from core.moments import format_moment
from experiments.cli.terminal import ScreenConsole, json_option, print_json
from experiments.queue.schema import ChunkState
from experiments.runs.status import read_status

if TYPE_CHECKING:
    from experiments.runs.status import RunStatus

_STATES = (ChunkState.DONE, ChunkState.LEASED, ChunkState.WAITING, ChunkState.DEAD)


@click.command()
@click.argument(
    "directory", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="RUN"
)
@json_option
def status(directory: Path, *, as_json: bool) -> None:
    """Show how far the run in RUN is, by partition, and what kept chunks from being made.

    A partition is a variant's pages of one slice of time. It is made in chunks, which are
    done, leased to a worker, waiting, or dead: tried as often as they may be.
    """
    found = read_status(directory, lambda: datetime.now(UTC))
    if as_json:
        print_json(_describe(found))
        return
    output = ScreenConsole()
    output.print(f"{found.record.spec.name}, snapshot {found.record.snapshot}", style="bold")
    output.print(found.sentence)
    output.print(
        f"{found.tried:,} of {found.pages:,} pages tried, {found.failures:,} of them failed."
    )
    if found.partitions:
        output.print(_render(found))
    for one in found.failed:
        output.print(
            f"{format_moment(one.ended_at)} chunk {one.number} of {one.partition}: {one.error}"
        )


def _render(found: RunStatus) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    table.add_column("partition")
    for name in ("pages", "tried", "failed", *(state.value for state in _STATES)):
        table.add_column(name, justify="right")
    for one in found.partitions:
        chunks = map(one.count, _STATES)
        numbers = (one.pages, one.tried, one.failures, *chunks)
        table.add_row(one.partition, *(f"{number:,}" for number in numbers))
    return table


def _describe(found: RunStatus) -> dict[str, object]:
    record = found.record
    return {
        "experiment": record.spec.name,
        "state": record.state.value,
        "is_under_way": found.is_under_way,
        "reason": record.reason,
        "snapshot": record.snapshot,
        "started_at": record.started_at,
        "ended_at": record.ended_at,
        "pages": found.pages,
        "tried": found.tried,
        "failures": found.failures,
        "partitions": [
            {
                **asdict(one),
                "chunks": {state.value: one.count(state) for state in _STATES},
            }
            for one in found.partitions
        ],
        "failed_attempts": [
            {
                **asdict(one),
                "began_at": format_moment(one.began_at),
                "ended_at": format_moment(one.ended_at),
            }
            for one in found.failed
        ],
        "dead": [asdict(one) for one in found.dead],
    }
