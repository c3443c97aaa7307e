"""Prepares the rows of a page: titles, and marks for what changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.screen_text import escape_line
from experiments.report.pages.differences import Change

if TYPE_CHECKING:
    from collections.abc import Collection

    from experiments.report.pages.differences import RowChange, VideoChange
    from services.page.model import Page

HUES = 12
"""Number of tile colours; a title has the same one everywhere."""


@dataclass(frozen=True, slots=True)
class Tile:
    """Hold one drawn title. `mark` is "", "arrived", "came-in" or "moved"."""

    title: str
    hue: int
    mark: str
    is_beyond: bool
    is_played: bool


@dataclass(frozen=True, slots=True)
class Strip:
    """Hold one drawn row; `badge` tells how it moved, `note` what is not drawn."""

    number: int
    title: str
    mark: str
    badge: str
    tiles: tuple[Tile, ...]
    note: str
    ends_viewport: bool


def make_strip(
    row: RowChange, index: int, page: Page, width: int, played: Collection[int]
) -> Strip:
    """Return a row as it is drawn.

    Args:
        row: With what changed in it.
        index: Its place on the page, from 0.
        page: On which it stands.
        width: How many titles are drawn.
        played: Videos that the member played next.
    """
    geometry = page.geometry
    in_view = index < geometry.viewport_rows
    hidden = row.videos[width:]
    changed = sum(video.change is not Change.SAME for video in hidden)
    note = f"+{len(hidden)} more" if hidden else ""
    if changed and row.change is not Change.ARRIVED:
        note = f"+{len(hidden)}, {changed} changed"
    return Strip(
        number=index + 1,
        title=escape_line(row.row.title),
        mark=row.change.value,
        badge=_badge(row),
        tiles=tuple(
            _tile(own, row, played, is_beyond=not in_view or place >= geometry.viewport_columns)
            for place, own in enumerate(row.videos[:width])
        ),
        note=note,
        ends_viewport=index == geometry.viewport_rows - 1,
    )


def _badge(row: RowChange) -> str:
    if row.change is Change.ARRIVED:
        return "new row"
    if row.change is Change.MOVED:
        arrow = "\N{UPWARDS ARROW}" if row.moved_by < 0 else "\N{DOWNWARDS ARROW}"
        return f"{arrow}{abs(row.moved_by)}"
    return ""


def _tile(
    own: VideoChange, row: RowChange, played: Collection[int], *, is_beyond: bool
) -> Tile:
    if own.is_new_to_page:
        mark = "arrived"
    elif row.change is Change.ARRIVED or own.change is Change.SAME:
        mark = ""
    elif own.change is Change.ARRIVED:
        mark = "came-in"
    else:
        mark = "moved"
    return Tile(
        title=escape_line(own.video.title) or str(own.video.video_id),
        hue=own.video.video_id % HUES,
        mark=mark,
        is_beyond=is_beyond,
        is_played=own.video.video_id in played,
    )
