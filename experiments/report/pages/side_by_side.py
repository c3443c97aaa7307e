"""Shows pages side by side in the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich import box
from rich.columns import Columns
from rich.console import Group
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from experiments.report.wording import PLAYED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console, ConsoleOptions, RenderableType

    from experiments.report.pages.sheets import Column
    from experiments.report.pages.strips import Strip, Tile

_MARKS = {
    "arrived": ("+", "bold green"),
    "came-in": ("\N{RIGHTWARDS ARROW OVER LEFTWARDS ARROW}", "cyan"),
    "moved": ("\N{LEFT RIGHT ARROW}", "yellow"),
}
_SAYINGS = {
    "arrived": "new on the page",
    "came-in": "came from another row",
    "moved": "another place in its row",
}
_NARROWEST = 38
"""Columns of a terminal below which a page cannot be read."""


def render_columns(columns: Sequence[Column]) -> RenderableType:
    """Return the pages side by side, each as wide as the next, with a legend below.

    Where they would get too narrow to be read, some stand below the others.
    """
    return _Pages(tuple(columns))


@dataclass(frozen=True, slots=True)
class _Pages:
    columns: tuple[Column, ...]

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        across = max(1, min(len(self.columns), options.max_width // _NARROWEST))
        for first in range(0, len(self.columns), across):
            grid = Table.grid(expand=True, padding=(0, 1))
            for _ in range(across):
                grid.add_column(ratio=1, vertical="top")
            grid.add_row(*(_panel(own) for own in self.columns[first : first + across]))
            yield grid
        yield _legend(self.columns)


def _panel(column: Column) -> Panel:
    parts: list[RenderableType] = [Text(column.subtitle, style="dim")]
    if column.played:
        parts.append(Text(column.played, style="magenta"))
    parts.append("")
    for strip in column.strips:
        parts += [_heading(strip), Padding(_titles(strip), (0, 0, 0, 3))]
        if strip.ends_viewport:
            parts.append(Rule("end of the first screen", style="dim", characters="\u2504"))
    for what, lost in (("Rows gone", column.gone), ("Titles gone", column.left)):
        if lost:
            parts.append(Text(f"\u2212 {what}: {', '.join(lost)}", style="red"))
    return Panel(
        Group(*parts),
        title=Text(column.title, style="bold"),
        box=box.ROUNDED,
        padding=(0, 1),
    )


def _heading(strip: Strip) -> Table:
    title = Text(strip.title, style="bold")
    if strip.badge:
        style = "bold green" if strip.mark == "arrived" else "yellow"
        title.append(f"  {strip.badge}", style=style)
    line = Table.grid(padding=(0, 1, 0, 0))
    line.add_column(justify="right", width=2, style="dim")
    line.add_column()
    line.add_row(str(strip.number), title)
    return line


def _titles(strip: Strip) -> Text:
    text = Text()
    for place, tile in enumerate(strip.tiles):
        if place:
            text.append(" \N{MIDDLE DOT} ", style="dim")
        text.append_text(_title(tile))
    if strip.note:
        text.append(f"  {strip.note}", style="dim")
    return text


def _title(tile: Tile) -> Text:
    sign, style = _MARKS.get(tile.mark, ("", ""))
    text = Text()
    if sign:
        text.append(sign, style=style)
    if tile.is_played:
        text.append(PLAYED, style="bold magenta")
    text.append(tile.title, style=style or ("dim" if tile.is_beyond else ""))
    return text


def _legend(columns: Sequence[Column]) -> Columns:
    """Explain the signs that occur."""
    strips = [strip for column in columns for strip in column.strips]
    tiles = [tile for strip in strips for tile in strip.tiles]
    shown = {tile.mark for tile in tiles}
    told = [(*_MARKS[mark], saying) for mark, saying in _SAYINGS.items() if mark in shown]
    if any(tile.is_played for tile in tiles):
        told.append((PLAYED, "bold magenta", "played next"))
    if any(strip.mark == "moved" for strip in strips):
        told.append(("\N{UPWARDS ARROW}2", "yellow", "row moved up by 2"))
    # In columns a line breaks between entries, never inside one.
    return Columns(
        [Text.assemble((sign, style), (f" {saying}", "dim")) for sign, style, saying in told],
        padding=(0, 3, 0, 0),
    )
