"""Differences between two pages, row by row and title by title."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.page.model import Page, PageRow, PageVideo


class Change(StrEnum):
    """Say what became of a row or a title."""

    SAME = "same"
    """Stands where it stood."""
    MOVED = "moved"
    """A row at another place; a title at another place of its row."""
    ARRIVED = "arrived"
    """A row that the other page has not; a title that was not in this row."""


@dataclass(frozen=True, slots=True)
class VideoChange:
    """Tell of one title; `is_new_to_page` if the other page shows it nowhere."""

    video: PageVideo
    change: Change
    is_new_to_page: bool


@dataclass(frozen=True, slots=True)
class RowChange:
    """Tell of one row.

    `moved_by` counts places, up is negative, 0 unless it moved. `lost` holds the titles that
    the row had and has no more.
    """

    row: PageRow
    change: Change
    moved_by: int
    videos: tuple[VideoChange, ...]
    lost: tuple[PageVideo, ...] = ()
    is_renamed: bool = False

    @property
    def is_untouched(self) -> bool:
        """Return whether neither the row nor any of its titles changed."""
        return (
            self.change is Change.SAME
            and not self.lost
            and not self.is_renamed
            and all(video.change is Change.SAME for video in self.videos)
        )


@dataclass(frozen=True, slots=True)
class PageChange:
    """Tell of a page against another: its rows in order, and what it lacks.

    `gone` holds rows of the other that it lacks, `left` titles that the other had in view.
    """

    page: Page
    rows: tuple[RowChange, ...]
    gone: tuple[PageRow, ...]
    left: tuple[PageVideo, ...] = ()

    @property
    def is_same(self) -> bool:
        """Return whether a member would see no difference."""
        return not self.gone and all(row.is_untouched for row in self.rows)


def compare_pages(page: Page, reference: Page) -> PageChange:
    """Return what a member would see change from the reference to the page.

    Rows are matched by id and titles within matched rows by video id. Scores do not count.
    """
    places = {row.row_id: index for index, row in enumerate(reference.rows)}
    shown = {video.video_id for row in reference.rows for video in row.videos}
    rows = []
    for index, row in enumerate(page.rows):
        place = places.get(row.row_id)
        before = None if place is None else reference.rows[place]
        rows.append(
            RowChange(
                row=row,
                change=_change(place, index),
                moved_by=0 if place is None else index - place,
                videos=_compare_videos(row, before, shown),
                lost=() if before is None else _lost(row, before),
                is_renamed=before is not None and before.title != row.title,
            )
        )
    kept = {row.row_id for row in page.rows}
    gone = tuple(row for row in reference.rows if row.row_id not in kept)
    return PageChange(page=page, rows=tuple(rows), gone=gone, left=_left(page, reference))


def _left(page: Page, reference: Page) -> tuple[PageVideo, ...]:
    kept = {video.video_id for row in page.rows for video in row.videos}
    geometry = reference.geometry
    in_view = {
        video.video_id: video
        for row in reference.rows[: geometry.viewport_rows]
        for video in row.videos[: geometry.viewport_columns]
    }
    return tuple(video for video_id, video in in_view.items() if video_id not in kept)


def _compare_videos(
    row: PageRow, before: PageRow | None, shown: set[int]
) -> tuple[VideoChange, ...]:
    videos = () if before is None else before.videos
    places = {video.video_id: column for column, video in enumerate(videos)}
    return tuple(
        VideoChange(
            video=video,
            change=_change(places.get(video.video_id), column),
            is_new_to_page=video.video_id not in shown,
        )
        for column, video in enumerate(row.videos)
    )


def _lost(row: PageRow, before: PageRow) -> tuple[PageVideo, ...]:
    kept = {video.video_id for video in row.videos}
    return tuple(video for video in before.videos if video.video_id not in kept)


def _change(before: int | None, now: int) -> Change:
    if before is None:
        return Change.ARRIVED
    return Change.SAME if before == now else Change.MOVED
