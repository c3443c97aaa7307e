"""Prepares pages to be shown side by side, with their differences marked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.moments import from_micros
from core.screen_text import escape_line
from experiments.report.figures import count_of, format_count
from experiments.report.pages.differences import Change, compare_pages
from experiments.report.pages.strips import Strip, make_strip
from experiments.report.wording import PLAYED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from experiments.report.pages.differences import PageChange
    from experiments.report.pages.samples import Sample
    from services.page.model import Page

LEAST_TILES = 5
"""Titles drawn of each row at least, if it has them."""
_MOST_LEFT = 8
_LOGGED = "logged"


@dataclass(frozen=True, slots=True)
class Column:
    """Hold one drawn page.

    Args:
        title: Whose page it is.
        subtitle: How it differs from what it is marked against.
        played: How many of the titles played next it shows, and where; may be empty.
        strips: Its rows.
        gone: Rows that it lacks.
        left: Titles that were in view, and are on the page no more.
        columns: How many titles are drawn of each row.
    """

    title: str
    subtitle: str
    played: str = ""
    strips: tuple[Strip, ...] = ()
    gone: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    columns: int = LEAST_TILES


@dataclass(frozen=True, slots=True)
class Sheet:
    """Hold one page in every version, side by side."""

    anchor: str
    reason: str
    member: int | str
    moment: str
    device: str
    stratum: str
    change: str
    played: tuple[str, ...]
    columns: tuple[Column, ...]


def make_sheet(sample: Sample, control: str) -> Sheet:
    """Return a sample ready to be drawn: logged, control, treatments.

    Control is marked against the logged page, treatments against control. Where control is
    the same as the logged page, one column stands for both.
    """
    shown = next(iter(sample.simulated.values()))
    return Sheet(
        anchor=_make_anchor(sample.member, shown.as_of_micros),
        reason=sample.choice.reason,
        member=sample.member,
        moment=f"{from_micros(shown.as_of_micros):%-d %B %Y, %H:%M} UTC",
        device=shown.device,
        stratum=sample.choice.stratum,
        change=f"{sample.choice.change:.0%}".replace("%", " %"),
        played=tuple(sorted(sample.played.values())),
        columns=(
            *_leading_columns(sample, control),
            *_treatment_columns(sample, control),
        ),
    )


def _make_anchor(member: int | str, as_of_micros: int) -> str:
    """Return an id for links; a text may hold what no link can."""
    if isinstance(member, str):
        member = hashlib.sha256(member.encode()).hexdigest()[:16]
    return f"page-{member}-{as_of_micros}"


def make_column(
    title: str,
    page: Page,
    reference: Page | None,
    played: Collection[int],
    against: str = "",
) -> Column:
    """Return a page as a column of a sheet, with what differs from the reference.

    Args:
        title: Whose page it is.
        page: With video titles.
        reference: What it is marked against; None marks nothing.
        played: Videos that the member played next.
        against: What the reference is called.
    """
    change = compare_pages(page, reference or page)
    width = max(LEAST_TILES, page.geometry.viewport_columns)
    left = [escape_line(video.title) for video in change.left]
    more = len(left) - _MOST_LEFT
    return Column(
        title=title,
        subtitle=_summary(change, against if reference else ""),
        played=_describe_played(page, played),
        strips=tuple(
            make_strip(row, index, page, width, played) for index, row in enumerate(change.rows)
        ),
        gone=tuple(escape_line(row.title) for row in change.gone),
        left=(*left[:_MOST_LEFT], *([f"and {more} more"] if more > 0 else [])),
        columns=width,
    )


def _leading_columns(sample: Sample, name: str) -> Iterator[Column]:
    logged, control = sample.logged, sample.simulated.get(name)
    is_same = control is not None and logged is not None and _is_same(control, logged)
    if logged is not None and not is_same:
        yield make_column(_LOGGED, logged, None, sample.played)
    if control is None:
        yield Column(name, "Could not be made.")
    elif is_same:
        yield make_column(f"{_LOGGED} = {name}", control, None, sample.played)
    else:
        yield make_column(name, control, logged, sample.played, _LOGGED)


def _treatment_columns(sample: Sample, control: str) -> Iterator[Column]:
    for name in sample.choice.treatments:
        page = sample.simulated.get(name)
        if page is None:
            yield Column(name, "Could not be made.")
        else:
            reference = sample.simulated.get(control)
            yield make_column(name, page, reference, sample.played, control)


def _is_same(page: Page, other: Page) -> bool:
    return compare_pages(page, other).is_same


def _summary(change: PageChange, against: str) -> str:
    if not against:
        return f"{count_of(len(change.rows), 'row')}"
    if change.is_same:
        return f"The same as {against}"
    arrived = sum(row.change is Change.ARRIVED for row in change.rows)
    moved = sum(row.change is Change.MOVED for row in change.rows)
    titles = len(
        {v.video.video_id for row in change.rows for v in row.videos if v.is_new_to_page}
    )
    told = [
        f"{format_count(arrived)} new row{'' if arrived == 1 else 's'}" if arrived else "",
        f"{count_of(len(change.gone), 'row')} gone" if change.gone else "",
        f"{count_of(moved, 'row')} moved" if moved else "",
        f"{format_count(titles)} new title{'' if titles == 1 else 's'}" if titles else "",
    ]
    return f"Against {against}: " + (
        ", ".join(one for one in told if one) or "titles in another order"
    )


def _describe_played(page: Page, played: Collection[int]) -> str:
    if not played:
        return ""
    geometry = page.geometry
    in_view = {
        video.video_id
        for row in page.rows[: geometry.viewport_rows]
        for video in row.videos[: geometry.viewport_columns]
    }
    on_page = {video.video_id for row in page.rows for video in row.videos}
    wanted = set(played)
    return (
        f"{PLAYED} Of {count_of(len(wanted), 'title')} played next, "
        f"{len(in_view & wanted)} in view, {len(on_page & wanted)} on the page"
    )
