"""Shows pages beside each other in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Group
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from experiments.report.sheets import Column, Strip, Tile

_MARKS = {
    "arrived": ("+", "bold green"),
    "came-in": ("\N{RIGHTWARDS ARROW OVER LEFTWARDS ARROW}", "cyan"),
    "moved": ("\N{LEFT RIGHT ARROW}", "yellow"),
}
_PLAYED = "\N{BLACK STAR}"


def render_columns(columns: Sequence[Column]) -> RenderableType:
    """Return the pages side by side, each as wide as the next, with a legend below."""
    grid = Table.grid(expand=True, padding=(0, 1))
    for _ in columns:
        grid.add_column(ratio=1, vertical="top")
    grid.add_row(*(_panel(column) for column in columns))
    return Group(grid, _legend())


def _panel(column: Column) -> Panel:
    parts: list[RenderableType] = []
    for strip in column.strips:
        parts += [_heading(strip), Padding(_titles(strip), (0, 0, 0, 2))]
        if strip.ends_viewport:
            parts.append(Rule("end of the first screen", style="dim", characters="\u2504"))
    if column.gone:
        parts.append(Text(f"\u2212 gone: {', '.join(column.gone)}", style="red"))
    return Panel(
        Group(*parts),
        title=Text(column.title, style="bold"),
        subtitle=Text(column.subtitle, style="dim"),
        box=box.ROUNDED,
        padding=(0, 1),
    )


def _heading(strip: Strip) -> Text:
    text = Text(strip.title, style="bold")
    if strip.badge:
        style = "bold green" if strip.mark == "arrived" else "yellow"
        text.append(f"  {strip.badge}", style=style)
    return text


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
        text.append(_PLAYED, style="bold magenta")
    text.append(tile.title, style=style or ("dim" if tile.is_beyond else ""))
    return text


def _legend() -> Text:
    told = {
        "arrived": "new on the page",
        "came-in": "came from another row",
        "moved": "another place in its row",
    }
    text = Text()
    for mark, saying in told.items():
        sign, style = _MARKS[mark]
        text.append(sign, style=style)
        text.append(f" {saying}   ", style="dim")
    text.append(_PLAYED, style="bold magenta")
    text.append(" played next   \N{UPWARDS ARROW}2 row moved up by 2", style="dim")
    return text
