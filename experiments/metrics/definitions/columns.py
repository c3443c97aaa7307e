"""The arrays that metrics are written over, grouped by what they describe."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from core.arrays import (
        BoolArray,
        Float64Array,
        Int8Array,
        Int16Array,
        Int32Array,
        Int64Array,
        UInt64Array,
    )


class Pages(NamedTuple):
    """Describe pages of one variant, in columns; a page that was not made has no rows.

    Page p has the rows row_starts[p] to row_starts[p + 1], and row r the cells cell_starts[r]
    to cell_starts[r + 1]. Texts and video ids are codes, the same for all pages compared.

    row_starts: int64[pages + 1].
    row_ids: int32[rows], codes of the row ids; distinct within a page.
    titles: int32[rows], codes of the row titles.
    row_types: int8[rows], places in `RowType`.
    cell_starts: int64[rows + 1].
    videos: int32[cells], codes of the video ids; distinct within a row.
    depths: int16[cells], row + column of the page, both from 0.
    steps: int16[cells], scrolls down and across until it is in view; 0 is the viewport.
    is_repeat: bool[cells], its title stands on the page before it.
    is_repeat_in_view: bool[cells], it is in view, and so is its title before it.
    geometry: int32[pages, 4]: rows, columns, rows and columns of the viewport.
    """

    row_starts: Int64Array
    row_ids: Int32Array
    titles: Int32Array
    row_types: Int8Array
    cell_starts: Int64Array
    videos: Int32Array
    depths: Int16Array
    steps: Int16Array
    is_repeat: BoolArray
    is_repeat_in_view: BoolArray
    geometry: Int32Array


class Facts(NamedTuple):
    """Describe what was known of profiles and videos at the moments of the pages.

    What was known of videos changes between epochs; `catalogue_of`, `plays_of` and
    `licences_of` say which holds for a page.

    as_of: int64[pages], in microseconds.
    maturity_limits: int64[pages]; NO_LIMIT without one.
    catalogue_of: int32[pages].
    contents: int32[catalogues, videos], the number of each video's genres.
    genre_starts: int64[contents + 1] into genres.
    genres: int32[entries], codes of the genres of each content, ascending.
    genre_masks: uint64[contents, words], the same as bits.
    genre_count: Genres that there are.
    added_at: int64[catalogues, videos], in microseconds; NOT_ADDED where not known.
    maturity: int64[catalogues, videos]; UNRATED where not known.
    plays_of: int32[pages].
    log_plays: float64[plays, videos], log2(1 + plays in the 365 days before).
    licences_of: int32[pages], of the page's country and moment.
    is_licensed: bool[licences, videos].
    """

    as_of: Int64Array
    maturity_limits: Int64Array
    catalogue_of: Int32Array
    contents: Int32Array
    genre_starts: Int64Array
    genres: Int32Array
    genre_masks: UInt64Array
    genre_count: int
    added_at: Int64Array
    maturity: Int64Array
    plays_of: Int32Array
    log_plays: Float64Array
    licences_of: Int32Array
    is_licensed: BoolArray


class Played(NamedTuple):
    """Name the distinct titles played after each page.

    starts: int64[pages + 1] into videos.
    videos: int32[played], codes of the video ids; -1 for a title on none of the pages.
    """

    starts: Int64Array
    videos: Int32Array


NO_LIMIT = 2**62
NOT_ADDED = -(2**63)
UNRATED = -1
