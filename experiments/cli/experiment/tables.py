"""Experiments of a server, for people."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from core.moments import format_moment
from core.screen_text import escape_line
from experiments.cli.experiment.documents import find_report
from experiments.cli.experiment.pace import estimate_seconds_left
from experiments.queue.schema import ChunkState
from experiments.register.states import ExperimentState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from experiments.cli.experiment.pace import Pace, Paces
    from experiments.server.doors.status import ExperimentHistory, ExperimentStatus, Progress

_CHUNKS: Final = (ChunkState.DONE, ChunkState.LEASED, ChunkState.WAITING, ChunkState.DEAD)
_COUNTS: Final = ("pages", "tried", "failed", *(state.value for state in _CHUNKS))
_STYLES: Final = {
    ExperimentState.FINISHED: "green",
    ExperimentState.FAILED: "bold red",
    ExperimentState.PAUSED: "yellow",
    ExperimentState.CANCELLING: "yellow",
}
_MOMENT: Final = len("2024-05-06T07:08:09")


def write_line(status: ExperimentStatus) -> str:
    """Return how an experiment is in one line."""
    total = status.total
    pages = f"{total.tried:,} of {total.pages:,} pages tried, {total.failures:,} of them failed"
    reason = f" {escape_line(status.reason)}" if status.reason else ""
    return f"{status.experiment_id} is {status.state}; {pages}.{reason}"


def render_status(status: ExperimentStatus) -> RenderableType:
    """Return an experiment with its partitions."""
    table = _table("partition", *_COUNTS)
    for name, progress in status.partitions.items():
        table.add_row(name, *_count(progress))
    return Group(*_head(status), *([table] if status.partitions else []))


def render_list(found: Sequence[ExperimentStatus]) -> RenderableType:
    """Return experiments, a row for each."""
    if not found:
        return Text("There is none.")
    table = _table("experiment", "pages", "tried", "failed", "owner", "state", "submitted")
    for place in range(4, 7):
        table.columns[place].justify = "left"
    for status in found:
        total = status.total
        table.add_row(
            status.experiment_id,
            *(f"{number:,}" for number in (total.pages, total.tried, total.failures)),
            escape_line(status.owner),
            _state(status),
            format_moment(status.submitted_at)[:_MOMENT] + "Z",
        )
    return table


def render_watched(
    status: ExperimentStatus, paces: Paces, now: float, rows: int
) -> RenderableType:
    """Return an experiment with how fast its pages are made, and how long it takes.

    Args:
        status: Of the experiment.
        paces: Of its pages.
        now: By the clock of the paces, in seconds.
        rows: How many partitions are shown at most; those under way come first.
    """
    table = _table("partition", *_COUNTS, "pages/s", "left")
    by_need = sorted(
        status.partitions.items(),
        key=lambda one: (not one[1].count(ChunkState.LEASED), one[1].tried == one[1].pages),
    )
    shown = dict(by_need[:rows])
    for name, progress in status.partitions.items():
        if name in shown:
            table.add_row(
                name, *_count(progress), *_time(progress, paces.partitions.get(name), now)
            )
    if len(status.partitions) > 1:
        table.add_section()
        table.add_row("all", *_count(status.total), *_time(status.total, paces.total, now))
    more = len(status.partitions) - len(shown)
    return Group(
        *_head(status),
        *([table] if status.partitions else []),
        *([Text(f"{more:,} more partitions are not shown.", style="dim")] if more else []),
    )


def render_history(history: ExperimentHistory) -> RenderableType:
    """Return what was tried for an experiment."""
    steps = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for name in ("step", "attempt", "process", "began", "ended", "error"):
        steps.add_column(name)
    for one in history.steps:
        ended = "goes on" if one.ended_at is None else format_moment(one.ended_at)
        steps.add_row(
            one.name,
            str(one.attempt),
            one.process,
            format_moment(one.began_at),
            ended,
            escape_line(one.error or ""),
        )
    chunks = Text("\n").join(
        Text(
            f"{format_moment(one.ended_at)} chunk {one.number} of {one.partition}, by "
            f"{one.worker}: {escape_line(one.error)}"
        )
        for one in history.failed_chunks
    )
    return Group(steps if history.steps else Text("No step was tried yet."), chunks)


def _head(status: ExperimentStatus) -> Sequence[Text]:
    lines = [
        Text(f"{status.experiment_id} of {escape_line(status.owner)}", style="bold"),
        Text("State: ")
        .append(_state(status))
        .append(f" since {format_moment(status.changed_at)[:_MOMENT]}Z"),
        Text(
            f"{status.total.tried:,} of {status.total.pages:,} pages tried, "
            f"{status.total.failures:,} of them failed."
        ),
    ]
    if status.reason:
        lines.append(Text(status.reason, style="red"))
    if report := find_report(status):
        lines.append(Text(f"Report: {report}"))
    return lines


def _table(first: str, *numbers: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    table.add_column(first)
    for name in numbers:
        table.add_column(name, justify="right")
    return table


def _state(status: ExperimentStatus) -> Text:
    return Text(status.state.value, style=_STYLES.get(status.state, ""))


def _count(progress: Progress) -> Sequence[str]:
    chunks = map(progress.count, _CHUNKS)
    numbers = (progress.pages, progress.tried, progress.failures, *chunks)
    return [f"{number:,}" for number in numbers]


def _time(progress: Progress, pace: Pace | None, now: float) -> tuple[str, str]:
    if progress.tried == progress.pages:
        return "", ""
    rate = pace.measure(now) if pace else 0.0
    left = estimate_seconds_left(progress, rate)
    return f"{rate:.1f}", "" if left is None else str(timedelta(seconds=round(left)))
