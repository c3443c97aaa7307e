"""Prepares pages to stand side by side: what is drawn, and what is marked as changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.report.differences import Change, compare_pages
from experiments.report.figures import count_of
from mesh.moments import from_micros

if TYPE_CHECKING:
    from collections.abc import Sequence

    from experiments.report.differences import PageChange, RowChange, VideoChange
    from experiments.report.samples import Sample
    from services.page.model import Page

TILES = 6
"""Titles drawn of each row at least, if it has them."""
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

    title: str
    mark: str
    badge: str
    tiles: tuple[Tile, ...]
    note: str
    ends_viewport: bool


@dataclass(frozen=True, slots=True)
class Column:
    """Hold one drawn page."""

    title: str
    subtitle: str
    strips: tuple[Strip, ...]
    gone: tuple[str, ...]
    columns: int


@dataclass(frozen=True, slots=True)
class Sheet:
    """Hold one page in every version, side by side."""

    anchor: str
    reason: str
    profile_id: int
    moment: str
    device: str
    stratum: str
    change: str
    columns: tuple[Column, ...]


def make_sheet(sample: Sample, variants: Sequence[str]) -> Sheet:
    """Return a sample ready to be drawn: logged, control, treatments.

    Control is marked against the logged page, treatments against control. Where control is
    the same as the logged page, one column stands for both.
    """
    control = sample.simulated.get(variants[0])
    shown = next(iter(sample.simulated.values()))
    columns = list(_leading_columns(sample, control, variants[0]))
    for variant in variants[1:]:
        page = sample.simulated.get(variant)
        if page is None:
            columns.append(Column(variant, "Could not be made.", (), (), TILES))
        elif control is None:
            columns.append(make_column(variant, page, None, sample.played))
        else:
            columns.append(make_column(variant, page, control, sample.played))
    return Sheet(
        anchor=f"page-{sample.choice.profile_id}-{shown.as_of_micros}",
        reason=sample.choice.reason,
        profile_id=sample.choice.profile_id,
        moment=f"{from_micros(shown.as_of_micros):%-d %B %Y, %H:%M} UTC",
        device=shown.device,
        stratum=sample.choice.stratum,
        change=f"{sample.choice.change:.0%}",
        columns=tuple(columns),
    )


def _leading_columns(sample: Sample, control: Page | None, name: str) -> Sequence[Column]:
    logged = sample.logged
    if control is None:
        failed = Column(name, "Could not be made.", (), (), TILES)
        return (
            [failed]
            if logged is None
            else [make_column("logged", logged, None, sample.played), failed]
        )
    if logged is None:
        return [make_column(name, control, None, sample.played)]
    if compare_pages(control, logged).is_same:
        both = make_column(f"logged = {name}", control, None, sample.played)
        return [both]
    return [
        make_column("logged", logged, None, sample.played),
        make_column(name, control, logged, sample.played),
    ]


def make_column(
    title: str, page: Page, reference: Page | None, played: frozenset[int]
) -> Column:
    """Return a page as a column of a sheet, with what differs from the reference."""
    change = compare_pages(page, reference or page)
    width = max(TILES, min(page.geometry.viewport_columns, 2 * TILES))
    return Column(
        title=title,
        subtitle=_summary(change, reference),
        strips=tuple(
            _strip(row, index, page, width, played) for index, row in enumerate(change.rows)
        ),
        gone=tuple(row.title for row in change.gone),
        columns=width,
    )


def _summary(change: PageChange, reference: Page | None) -> str:
    if reference is None:
        return f"{count_of(len(change.rows), 'row')}"
    if change.is_same:
        return "The same page"
    arrived = sum(row.change is Change.ARRIVED for row in change.rows)
    moved = sum(row.change is Change.MOVED for row in change.rows)
    titles = len(
        {v.video.video_id for row in change.rows for v in row.videos if v.is_new_to_page}
    )
    parts = [
        (arrived, "new row"),
        (len(change.gone), "row gone"),
        (moved, "row moved"),
        (titles, "new title"),
    ]
    told = [_plural(count, noun) for count, noun in parts if count]
    return ", ".join(told) or "Titles in another order"


def _plural(count: int, noun: str) -> str:
    first, second = noun.split()
    if first == "row":
        return f"{count} {first}{'' if count == 1 else 's'} {second}"
    return f"{count} {first} {second}{'' if count == 1 else 's'}"


def _strip(row: RowChange, index: int, page: Page, width: int, played: frozenset[int]) -> Strip:
    geometry = page.geometry
    in_view = index < geometry.viewport_rows
    hidden = row.videos[width:]
    changed = sum(own.change is not Change.SAME for own in hidden)
    note = f"+{len(hidden)} more" if hidden else ""
    if changed and row.change is not Change.ARRIVED:
        note += f", {changed} changed"
    return Strip(
        title=row.row.title,
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


def _tile(own: VideoChange, row: RowChange, played: frozenset[int], *, is_beyond: bool) -> Tile:
    if own.is_new_to_page:
        mark = "arrived"
    elif row.change is Change.ARRIVED or own.change is Change.SAME:
        mark = ""
    elif own.change is Change.ARRIVED:
        mark = "came-in"
    else:
        mark = "moved"
    return Tile(
        title=own.video.title or str(own.video.video_id),
        hue=own.video.video_id % HUES,
        mark=mark,
        is_beyond=is_beyond,
        is_played=own.video.video_id in played,
    )
