"""Selects the rows of each page and orders them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core.kernel import kernel

if TYPE_CHECKING:
    from core.arrays import BoolArray, Float32Array, Int32Array, Int64Array


TEMPLATE, BY_SCORE, GREEDY = 0, 1, 2
"""Numbers of the selection policies in kernels."""


class RankedColumns(NamedTuple):
    """Hold the ranked rows of each page, rows in the order of the template.

    first: int64[pages, rows], where the videos of each row begin in positions.
    counts: int32[pages, rows], videos of each row.
    positions: int32[videos], catalogue positions, best first.
    row_scores: float32[pages, rows]; NaN for an empty row.
    """

    first: Int64Array
    counts: Int32Array
    positions: Int32Array
    row_scores: Float32Array


class SelectionRules(NamedTuple):
    """Say how rows are chosen.

    policy: TEMPLATE, BY_SCORE or GREEDY.
    places: int64[rows], place in the template; rows of a family share one.
    types: int64[rows], number of each row's type.
    maximum_per_type: int64[types], rows of each type at most.
    pins: int64[rows], one more than the place a row is pinned to, or 0; the best row of a
        pinned family takes the pin.
    overlap_weight: Weight of videos shown before, greedy only.
    genre_weight: Weight of genres covered before, greedy only.
    genre_saturation: Videos that cover a genre.
    leading: Videos of a row that count for diversity.
    """

    policy: int
    places: Int64Array
    types: Int64Array
    maximum_per_type: Int64Array
    pins: Int64Array
    overlap_weight: np.float32
    genre_weight: np.float32
    genre_saturation: int
    leading: int


class VideoGenres(NamedTuple):
    """Hold the genres of each video.

    contents: int32[videos], number of each video's content.
    offsets: int32[contents + 1] into genres.
    genres: int32[entries], places in a list of `size` genres.
    """

    contents: Int32Array
    offsets: Int32Array
    genres: Int32Array
    size: int


class OfferedColumns(NamedTuple):
    """Receive the chosen rows of each page, top to bottom.

    counts: int64[pages].
    rows: int64[pages, rows].
    pins: int64[pages, rows], one more than the place a row is pinned to, or 0.
    """

    counts: Int64Array
    rows: Int64Array
    pins: Int64Array


class PageState(NamedTuple):
    """Remember what the chosen rows of the page at hand show in their leading videos.

    shown: int64[videos], the last page that shows each video, -1 for none.
    coverage: int64[genres], leading videos of each genre.
    """

    shown: Int64Array
    coverage: Int64Array


@kernel
def leading_range(
    ranked: RankedColumns, rules: SelectionRules, page: int, row: int
) -> tuple[int, int]:
    """Return where a row's leading videos stand."""
    start = ranked.first[page, row]
    return start, start + min(ranked.counts[page, row], rules.leading)


@kernel
def value_row(
    ranked: RankedColumns,
    rules: SelectionRules,
    genres: VideoGenres,
    state: PageState,
    page: int,
    row: int,
) -> np.float32:
    """Return what a row adds to the page: its score, less what it repeats.

    value = score - overlap_weight x share of leading videos shown before
    - genre_weight x mean over leading videos of the mean coverage of their genres, where
    coverage = min(leading videos of the genre so far / genre_saturation, 1).
    """
    start, end = leading_range(ranked, rules, page, row)
    zero = np.float32(0)
    repeated = zero
    covered = zero
    for index in range(start, end):
        video = ranked.positions[index]
        if state.shown[video] == page:
            repeated += np.float32(1)
        content = genres.contents[video]
        first, last = genres.offsets[content], genres.offsets[content + 1]
        if last > first:
            total = zero
            for entry in range(first, last):
                seen = min(state.coverage[genres.genres[entry]], rules.genre_saturation)
                total += np.float32(seen) / np.float32(rules.genre_saturation)
            covered += total / np.float32(last - first)
    size = np.float32(end - start)
    value = ranked.row_scores[page, row] - rules.overlap_weight * (repeated / size)
    return np.float32(value - rules.genre_weight * (covered / size))


@kernel
def show_row(
    ranked: RankedColumns,
    rules: SelectionRules,
    genres: VideoGenres,
    state: PageState,
    page: int,
    row: int,
) -> None:
    """Count a chosen row's leading videos as shown."""
    start, end = leading_range(ranked, rules, page, row)
    for index in range(start, end):
        video = ranked.positions[index]
        state.shown[video] = page
        content = genres.contents[video]
        for entry in range(genres.offsets[content], genres.offsets[content + 1]):
            state.coverage[genres.genres[entry]] += 1


@kernel
def comes_before(
    ranked: RankedColumns, rules: SelectionRules, page: int, row: int, other: int
) -> bool:
    """Return whether a row stands before another by template or by score."""
    if rules.policy == TEMPLATE and rules.places[row] != rules.places[other]:
        return bool(rules.places[row] < rules.places[other])
    score, other_score = ranked.row_scores[page, row], ranked.row_scores[page, other]
    return bool(score > other_score or (score == other_score and row < other))


@kernel
def pin_rows(
    ranked: RankedColumns, rules: SelectionRules, page: int, pinned: Int64Array
) -> None:
    """Write each row's pin on this page: the best row of a family that is pinned gets it."""
    rows = len(pinned)
    pinned[:] = 0
    for row in range(rows):
        if rules.pins[row] == 0 or np.isnan(ranked.row_scores[page, row]):
            continue
        best = True
        for other in range(rows):
            if (
                other != row
                and rules.pins[other] == rules.pins[row]
                and not np.isnan(ranked.row_scores[page, other])
                and comes_before(ranked, rules, page, other, row)
            ):
                best = False
        if best:
            pinned[row] = rules.pins[row]


@kernel
def next_row(
    ranked: RankedColumns,
    rules: SelectionRules,
    genres: VideoGenres,
    state: PageState,
    page: int,
    is_open: BoolArray,
    bounds: Float32Array,
) -> int:
    """Return the open row to choose next, or -1.

    Greedy choice is lazy: a row's value only falls while others are chosen, so an old value
    bounds it, and only rows whose bound leads are valued again.
    """
    rows = len(is_open)
    if rules.policy != GREEDY:
        best = -1
        for row in range(rows):
            if is_open[row] and (best < 0 or comes_before(ranked, rules, page, row, best)):
                best = row
        return best
    fresh = np.zeros(rows, np.bool_)
    while True:
        best = -1
        for row in range(rows):
            if is_open[row] and (best < 0 or bounds[row] > bounds[best]):
                best = row
        if best < 0 or fresh[best]:
            return best
        bounds[best] = value_row(ranked, rules, genres, state, page, best)
        fresh[best] = True


@kernel
def order_rows(
    pinned: Int64Array, chosen: Int64Array, ordered: Int64Array, pins: Int64Array
) -> None:
    """Write the chosen rows in order, with the pinned ones between them at their places.

    Pinned rows whose place lies beyond the others follow in the order of their pins.
    """
    next_chosen = place = 0
    while True:
        row = -1
        for candidate in range(len(pinned)):
            if pinned[candidate] == place + 1:
                row = candidate
        if row < 0 and next_chosen < len(chosen):
            row = chosen[next_chosen]
            next_chosen += 1
        elif row < 0:
            for candidate in range(len(pinned)):
                if pinned[candidate] > place and (row < 0 or pinned[candidate] < pinned[row]):
                    row = candidate
        if row < 0:
            return
        ordered[place] = row
        pins[place] = pinned[row]
        pinned[row] = 0
        place += 1


@kernel
def select_rows(
    ranked: RankedColumns,
    rules: SelectionRules,
    genres: VideoGenres,
    wanted: Int64Array,
    offered: OfferedColumns,
) -> None:
    """Choose up to `wanted` rows (int64[pages]) for each page; pinned rows come first.

    Empty rows are left out, and so are those beyond the maximum of their type.
    """
    pages, rows = ranked.row_scores.shape
    state = PageState(
        np.full(len(genres.contents), -1, np.int64), np.zeros(genres.size, np.int64)
    )
    pinned = np.zeros(rows, np.int64)
    chosen = np.zeros(rows, np.int64)
    is_open = np.zeros(rows, np.bool_)
    bounds = np.zeros(rows, np.float32)
    left = np.zeros(len(rules.maximum_per_type), np.int64)
    for page in range(pages):
        state.coverage[:] = 0
        left[:] = rules.maximum_per_type
        pin_rows(ranked, rules, page, pinned)
        size = 0
        for row in range(rows):
            is_open[row] = not np.isnan(ranked.row_scores[page, row])
            bounds[row] = np.float32(np.inf)
            if pinned[row] > 0 and left[rules.types[row]] == 0:
                pinned[row] = 0
            if pinned[row] > 0:
                left[rules.types[row]] -= 1
                is_open[row] = False
                show_row(ranked, rules, genres, state, page, row)
                size += 1
        free = 0
        while size < wanted[page]:
            row = next_row(ranked, rules, genres, state, page, is_open, bounds)
            if row < 0:
                break
            is_open[row] = False
            if left[rules.types[row]] > 0:
                left[rules.types[row]] -= 1
                show_row(ranked, rules, genres, state, page, row)
                chosen[free] = row
                free += 1
                size += 1
        offered.counts[page] = size
        order_rows(pinned, chosen[:free], offered.rows[page], offered.pins[page])
