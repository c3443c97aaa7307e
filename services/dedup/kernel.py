"""Fills rows with videos, each video as often as the policy allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core.kernel import kernel

if TYPE_CHECKING:
    from core.arrays import BoolArray, Int64Array

NONE, ROW, VIEWPORT, PAGE = 0, 1, 2, 3
"""Numbers of the policies in kernels, widening."""

ROWS, COLUMNS, VIEWPORT_ROWS, VIEWPORT_COLUMNS = 0, 1, 2, 3
"""Columns of a geometry in kernels."""


class OfferedRows(NamedTuple):
    """Hold the rows offered for each page.

    starts: int64[pages + 1], where each page's rows begin.
    pins: int64[rows], one more than the place a row is pinned to, or 0.
    exempt: bool[rows], rows that are left alone and do not count for others.
    minimum: int64[rows], videos below which a row is dropped.
    video_starts: int64[rows + 1], where each row's candidates begin.
    videos: int64[candidates], small integers, best first.
    """

    starts: Int64Array
    pins: Int64Array
    exempt: BoolArray
    minimum: Int64Array
    video_starts: Int64Array
    videos: Int64Array


class PlacedRows(NamedTuple):
    """Receive the rows that stay.

    row_counts: int64[pages].
    rows: int64[rows], places among the offered rows of the page, top to bottom.
    video_counts: int64[rows].
    videos: int64[videos], places among the row's candidates, left to right.
    """

    row_counts: Int64Array
    rows: Int64Array
    video_counts: Int64Array
    videos: Int64Array


@kernel
def next_offered(offered: OfferedRows, first: int, is_done: BoolArray, place: int) -> int:
    """Return the row for a place, or -1: pinned there, else next without pin, else next pin.

    Args:
        offered: The rows.
        first: The page's first row.
        is_done: bool[rows of the page], rows placed or dropped.
        place: The place to fill.
    """
    unpinned = pinned = -1
    for index in range(len(is_done)):
        row = first + index
        if is_done[index]:
            continue
        pin = offered.pins[row]
        if pin == place + 1:
            return row
        if pin == 0 and unpinned < 0:
            unpinned = row
        if pin > 0 and (pinned < 0 or pin < offered.pins[pinned]):
            pinned = row
    return unpinned if unpinned >= 0 else pinned


class RowRules(NamedTuple):
    """Say how a row at a place is filled.

    columns: Videos of the row at most.
    shared_columns: Leading columns that take only videos the page does not show yet.
    once_in_row: Whether the row shows a video once.
    """

    columns: int
    shared_columns: int
    once_in_row: bool


class Marks(NamedTuple):
    """Remember who shows a video: int64[videos], the last page and the last row."""

    on_page: Int64Array
    in_row: Int64Array


@kernel
def row_rules(policy: int, place: int, geometry: Int64Array) -> RowRules:
    """Return how a row is filled at a place under a policy; geometry is int64[4]."""
    shared = 0
    if policy == PAGE:
        shared = geometry[COLUMNS]
    if policy == VIEWPORT and place < geometry[VIEWPORT_ROWS]:
        shared = geometry[VIEWPORT_COLUMNS]
    return RowRules(geometry[COLUMNS], shared, policy != NONE)


@kernel
def fill_row(
    offered: OfferedRows, row: int, page: int, rules: RowRules, marks: Marks, kept: Int64Array
) -> int:
    """Write which candidates a row shows, as places among them; return how many.

    Videos passed over for the shared columns may follow in the others; while the shared
    columns are not full, nothing follows, for it would slide into them.
    """
    start, end = offered.video_starts[row], offered.video_starts[row + 1]
    size = 0
    for candidate in range(start, end):
        if size == rules.shared_columns:
            break
        video = offered.videos[candidate]
        if marks.on_page[video] != page and marks.in_row[video] != row:
            marks.in_row[video] = row
            kept[size] = candidate - start
            size += 1
    if size < rules.shared_columns:
        return size
    for candidate in range(start, end):
        if size == rules.columns:
            break
        video = offered.videos[candidate]
        if not rules.once_in_row or marks.in_row[video] != row:
            marks.in_row[video] = row
            kept[size] = candidate - start
            size += 1
    return size


@kernel
def place_rows(
    policies: Int64Array, geometry: Int64Array, offered: OfferedRows, placed: PlacedRows
) -> tuple[int, int]:
    """Fill the places of each page from its offered rows, top to bottom.

    A place takes the row pinned to it, else the next row without a pin, else the next pin.
    A row left with too few videos is dropped, and its videos stay free for others.

    Args:
        policies: int64[pages], NONE, ROW, VIEWPORT or PAGE.
        geometry: int64[pages, 4].
        offered: The rows.
        placed: Written.

    Returns:
        The numbers of placed rows and videos in the whole batch.
    """
    videos = offered.videos.max() + 1 if len(offered.videos) else 0
    marks = Marks(np.full(videos, -1, np.int64), np.full(videos, -1, np.int64))
    written_rows = written_videos = 0
    for page in range(len(policies)):
        first, last = offered.starts[page], offered.starts[page + 1]
        is_done = np.zeros(last - first, np.bool_)
        place = 0
        while place < geometry[page, ROWS]:
            row = next_offered(offered, first, is_done, place)
            if row < 0:
                break
            is_done[row - first] = True
            rules = row_rules(policies[page], place, geometry[page])
            if offered.exempt[row]:
                rules = RowRules(rules.columns, 0, rules.once_in_row)
            kept = placed.videos[written_videos:]
            size = fill_row(offered, row, page, rules, marks, kept)
            if size < offered.minimum[row]:
                continue
            for index in range(min(size, rules.shared_columns)):
                video = offered.videos[offered.video_starts[row] + kept[index]]
                marks.on_page[video] = page
            placed.rows[written_rows] = row - first
            placed.video_counts[written_rows] = size
            written_rows += 1
            written_videos += size
            place += 1
        placed.row_counts[page] = place
    return written_rows, written_videos
