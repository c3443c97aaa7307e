"""Scores videos, and keeps the best of every row without looking at all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba.cpython.unsafe.numbers import trailing_zeros

from core.kernel import kernel
from services.ranking.columns import Scratch

if TYPE_CHECKING:
    from core.arrays import Float32Array, Int32Array, Int64Array, UInt8Array, UInt64Array
    from services.ranking.columns import (
        Kept,
        Ladders,
        Pages,
        RowPlan,
        Videos,
        Weights,
    )

FROM_MASK, FROM_ORDER, FROM_REQUEST = 0, 1, 2
"""Where the candidates of a row come from."""

_EXCLUDE, _DEMOTE = 1, 2  # of services.page.model.SeenPolicy
_UNSEEN, _SEEN, _BOTH = 0, 1, 2

_DIGITS = 3
_DIGIT_BITS = 11
_HISTOGRAM_SIZE = 1 << _DIGIT_BITS
_SIGN_BIT = 31
_KEY_SHIFT = 32
_FEW = 256
_SHORT = 32

ROWS_OF_A_MASK = 64
"""A bit of a uint64 stands for each."""
_ONE = np.uint64(1)
_ALL = np.uint64(2**64 - 1)

_LEVELS = 256
_ROUNDING = 2.0**-21
_LARGEST = 3.4e38


@kernel
def is_set(bitmap: UInt8Array, position: int) -> bool:
    """Return one bit of a bitmap, least significant bit first."""
    return bool((bitmap[position >> 3] >> (position & 7)) & 1)


@kernel
def lowest_bit(bits: np.uint64) -> np.uint64:
    """Return the number of the lowest bit that is set; one must be."""
    return np.uint64(trailing_zeros(bits))  # type: ignore[call-arg]  # as kernels call it


class Terms(NamedTuple):
    """Hold what the scores of one page are summed from.

    base: float32[videos].
    contents: int32[videos].
    affinities, matches: float32[contents], weighed.
    added_at: int64[videos].
    freshness: Weight.
    half_life_micros: Of freshness.
    as_of: Microseconds.
    """

    base: Float32Array
    contents: Int32Array
    affinities: Float32Array
    matches: Float32Array
    added_at: Int64Array
    freshness: np.float32
    half_life_micros: np.float64
    as_of: int


@kernel
def score_contents(
    pages: Pages, page: int, videos: Videos, weights: Weights, scratch: Scratch
) -> None:
    """Write each content's weighed mean genre affinity and taste match, and their sum."""
    affinity, taste = pages.affinity[page], pages.taste[page]
    affinity_offsets, affinity_fields = videos.affinity_offsets, videos.affinity_fields
    taste_offsets, taste_fields = videos.taste_offsets, videos.taste_fields
    affinities, matches, shifts = scratch.affinities, scratch.matches, scratch.shifts
    taste_values = videos.taste_values
    affinities[:] = 0
    matches[:] = 0
    for content in range(len(taste_values)):
        start, end = affinity_offsets[content], affinity_offsets[content + 1]
        if end > start and weights.affinity != 0:
            total = np.float32(0)
            for entry in range(start, end):
                total += affinity[affinity_fields[entry]]
            mean = total / np.float32(end - start)
            affinities[content] = weights.affinity * mean
        if weights.taste != 0:
            total = np.float32(0)
            for entry in range(taste_offsets[content], taste_offsets[content + 1]):
                total += taste[taste_fields[entry]]
            match = total * taste_values[content]
            matches[content] = weights.taste * match
        shifts[content] = np.float64(affinities[content]) + np.float64(matches[content])


@kernel
def freshness_of(
    added_at: int, as_of: int, weight: np.float32, half_life_micros: np.float64
) -> np.float32:
    """Return weight / (1 + age / half life); 0 where the age is not known."""
    if weight == 0 or added_at == -(2**63):
        return np.float32(0)
    age = np.float64(max(as_of - added_at, 0))
    decay = np.float32(1.0 + age / half_life_micros)
    return np.float32(weight * (np.float32(1) / decay))


@kernel
def score_videos(terms: Terms, positions: Int32Array, scores: Float32Array) -> None:
    """Write the linear scores of some videos, at their positions in float32[videos].

    score = base + affinity weight x mean(affinity of its genres)
    + taste weight x (taste . content) + freshness weight / (1 + age / half life),
    summed in that order in float32.
    """
    base, contents, added_at = terms.base, terms.contents, terms.added_at
    affinities, matches = terms.affinities, terms.matches
    for video in positions:
        content = contents[video]
        score = base[video] + affinities[content]
        score += matches[content]
        score += freshness_of(
            added_at[video], terms.as_of, terms.freshness, terms.half_life_micros
        )
        # Adding zero makes -0 and 0 one score.
        scores[video] = score + np.float32(0)


@kernel
def make_scratch(videos: int, candidates: int, contents: int) -> Scratch:
    """Return scratch for so many videos, for sorting so many candidates, and for contents."""
    return Scratch(
        scores=np.empty(videos, np.float32),
        keys=np.empty(candidates, np.uint64),
        other_keys=np.empty(candidates, np.uint64),
        histogram=np.empty(_HISTOGRAM_SIZE, np.int32),
        affinities=np.empty(contents, np.float32),
        matches=np.empty(contents, np.float32),
        shifts=np.empty(contents, np.float64),
        cursors=np.empty(contents, np.int32),
        following=np.empty(contents, np.int32),
        levels=np.empty(_LEVELS, np.int32),
        last_levels=np.empty(ROWS_OF_A_MASK, np.int64),
    )


@kernel
def insert_in_order(keys: UInt64Array, first: int, last: int) -> None:
    """Sort a few keys among others, ascending, in place."""
    for index in range(first + 1, last):
        key = keys[index]
        place = index
        while place > first and keys[place - 1] > key:
            keys[place] = keys[place - 1]
            place -= 1
        keys[place] = key


@kernel
def sort_keys(keys: UInt64Array, other_keys: UInt64Array, histogram: Int32Array) -> None:
    """Sort keys, ascending, in place: a radix sort by their upper half, then runs of equals."""
    count = len(keys)
    for digit in range(_DIGITS):
        shift = np.uint64(_KEY_SHIFT + digit * _DIGIT_BITS)
        histogram[:] = 0
        for index in range(count):
            histogram[(keys[index] >> shift) & np.uint64(_HISTOGRAM_SIZE - 1)] += 1
        total = 0
        for bucket in range(_HISTOGRAM_SIZE):
            size = histogram[bucket]
            histogram[bucket] = total
            total += size
        for index in range(count):
            bucket = (keys[index] >> shift) & np.uint64(_HISTOGRAM_SIZE - 1)
            place = histogram[bucket]
            histogram[bucket] = place + 1
            other_keys[place] = keys[index]
        keys[:] = other_keys[:count]
    first = 0
    for index in range(1, count + 1):
        if index == count or (keys[index] ^ keys[first]) >> np.uint64(_KEY_SHIFT) != 0:
            if index - first > _SHORT:
                keys[first:index].sort()
            else:
                insert_in_order(keys, first, index)
            first = index


@kernel
def sort_descending(scores: Float32Array, positions: Int32Array, scratch: Scratch) -> None:
    """Sort positions by descending score, and ascending where scores are equal, in place.

    Args:
        scores: float32[videos].
        positions: int32, changed.
        scratch: Written.
    """
    count = len(positions)
    bits = scores.view(np.uint32)
    keys = scratch.keys[:count]
    for index in range(count):
        key = bits[positions[index]]
        # As unsigned integers, flipped so that the greatest float is the smallest key.
        key = key if key >> np.uint32(_SIGN_BIT) else ~(key | np.uint32(1 << _SIGN_BIT))
        keys[index] = np.uint64(key) << np.uint64(_KEY_SHIFT) | np.uint64(positions[index])
    if count <= _FEW:
        keys.sort()
    else:
        sort_keys(keys, scratch.other_keys, scratch.histogram)
    for index in range(count):
        positions[index] = np.int32(keys[index] & np.uint64(0xFFFFFFFF))


@kernel
def build_ladder(
    base: Float32Array,
    videos: Videos,
    weights: Weights,
    since: int,
    starts: Int32Array,
    order: Int32Array,
    bounds: Float32Array,
) -> float:
    """Write the videos of each content, first those that can score highest from a moment on.

    Args:
        base: float32[videos], the part of the score that profiles share.
        videos: The catalogue.
        weights: Of the model.
        since: Microseconds; the bounds hold for pages of no earlier moment.
        starts: int32[contents + 1], written: where each content begins in the others.
        order: int32[videos], written.
        bounds: float32[videos], written: base and freshness of each are not above it but for
            rounding, and it does not rise within a content.

    Returns:
        The largest base, sign aside; infinity where one is not a finite number.
    """
    count, contents = len(base), len(videos.taste_values)
    scratch = make_scratch(count, count, 0)
    ranked = np.arange(count).astype(np.int32)
    largest = 0.0
    starts[:] = 0
    for video in range(count):
        # What takes from a score takes nothing in the end.
        freshness = freshness_of(
            videos.added_at[video], since, weights.freshness, weights.half_life_micros
        )
        scratch.scores[video] = base[video] + max(freshness, np.float32(0))
        starts[videos.contents[video] + 1] += 1
        size = abs(np.float64(base[video]))
        largest = max(largest, size) if np.isfinite(size) else np.inf
    sort_descending(scratch.scores, ranked, scratch)
    for content in range(contents):
        starts[content + 1] += starts[content]
    ends = starts.copy()
    for index in range(count):
        video = ranked[index]
        place = ends[videos.contents[video]]
        ends[videos.contents[video]] = place + 1
        order[place] = video
        bounds[place] = scratch.scores[video]
    return largest


@kernel
def reach_of(ladders: Ladders, terms: Terms, base: int) -> float:
    """Return what no score of a page exceeds, sign aside; infinity if a term is not finite."""
    affinity = match = 0.0
    starts, affinities, matches = ladders.starts, terms.affinities, terms.matches
    for content in range(len(matches)):
        if starts[content + 1] > starts[content]:
            own_affinity = abs(np.float64(affinities[content]))
            own_match = abs(np.float64(matches[content]))
            if not np.isfinite(own_affinity + own_match):
                return np.inf
            affinity, match = max(affinity, own_affinity), max(match, own_match)
    return float(ladders.largest[base] + affinity + match + abs(np.float64(terms.freshness)))


@kernel
def has_finite_scores(terms: Terms, scratch: Scratch) -> bool:
    """Return whether every score of a page is a finite number."""
    count = len(terms.base)
    score_videos(terms, np.arange(count).astype(np.int32), scratch.scores)
    return bool(np.isfinite(scratch.scores[:count]).all())


@kernel
def level_of(score: float, top: float, scale: float) -> int:
    """Return the level of a score: 0 at the top; a lower score is on no higher level."""
    return min(int((top - score) * scale), _LEVELS - 1)


@kernel
def drift_of(terms: Terms, since: int) -> float:
    """Return by what a score may be lower than its bound, but for rounding: freshness fades."""
    if terms.freshness <= 0:
        return -np.float64(terms.freshness)
    age = (terms.as_of - since) / terms.half_life_micros
    return np.float64(terms.freshness) * (age / (1.0 + age))


@kernel
def start_levels(
    ladders: Ladders, base: int, members: UInt64Array, slack: float, scratch: Scratch
) -> tuple[float, float]:
    """Put each content on the level of its first video; return the top and levels per unit."""
    starts, bounds, shifts = ladders.starts, ladders.bounds[base], scratch.shifts
    levels, following, cursors = scratch.levels, scratch.following, scratch.cursors
    top, bottom = -np.inf, np.inf
    for content in range(len(shifts)):
        start, end = starts[content], starts[content + 1]
        if end > start:
            top = max(top, bounds[start] + shifts[content] + slack)
            bottom = min(bottom, bounds[end - 1] + shifts[content])
    scale = _LEVELS / (top - bottom) if top > bottom else 0.0
    levels[:] = -1
    for content in range(len(shifts)):
        start, end = starts[content], starts[content + 1]
        if end > start and members[content] != 0:
            level = level_of(bounds[start] + (shifts[content] + slack), top, scale)
            cursors[content] = start
            following[content] = levels[level]
            levels[level] = content
    return top, scale


@kernel
def close_rows(open_rows: np.uint64, last_level: Int64Array, level: int) -> np.uint64:
    """Return those of the open rows, as bits, that a level may still add to."""
    rows = open_rows
    while rows != 0:
        row = lowest_bit(rows)
        rows &= rows - _ONE
        if last_level[row] < level:
            open_rows &= ~(_ONE << row)
    return open_rows


@kernel
def gather_best(
    terms: Terms,
    bitmap: UInt8Array,
    ladders: Ladders,
    base: int,
    members: UInt64Array,
    depth: int,
    slack: float,
    scratch: Scratch,
    gathered: Int32Array,
) -> int:
    """Write eligible videos, among them the `depth` best of each row; return how many.

    Contents wait on levels of score, each where the bound of its next video stands. Levels are
    taken from the top. Once a row has enough videos, only the levels on which they may really
    score are taken for it: what is further down scores less than all of them.

    Args:
        terms: Of the scores.
        bitmap: uint8[ceil(videos / 8)], eligible videos.
        ladders: Of the bases.
        base: The base of the page.
        members: uint64[contents], the rows that each content is in, as bits.
        depth: Videos kept per row at most.
        slack: By what rounding may lift a score over its bound.
        scratch: Written.
        gathered: int32[videos], written.
    """
    order, bounds, ends = ladders.order[base], ladders.bounds[base], ladders.starts[1:]
    levels, following, cursors = scratch.levels, scratch.following, scratch.cursors
    shifts, last_level = scratch.shifts, scratch.last_levels
    top, scale = start_levels(ladders, base, members, slack, scratch)
    lag = 1 + level_of(-(drift_of(terms, ladders.since[base]) + 2 * slack), 0.0, scale)
    counts = np.zeros(ROWS_OF_A_MASK, np.int64)
    last_level[:] = _LEVELS
    wanting = open_rows = _ALL
    size = 0
    for level in range(_LEVELS):
        content = levels[level]
        if content >= 0:
            open_rows = wanting | close_rows(open_rows & ~wanting, last_level, level)
        while content >= 0:
            next_content = following[content]
            if members[content] & open_rows != 0:
                index, end = cursors[content], ends[content]
                shift = shifts[content] + slack
                while index < end:
                    next_level = level_of(bounds[index] + shift, top, scale)
                    if next_level > level:
                        cursors[content] = index
                        following[content] = levels[next_level]
                        levels[next_level] = content
                        break
                    video = order[index]
                    index += 1
                    if is_set(bitmap, video):
                        gathered[size] = video
                        size += 1
                        rows = members[content] & wanting
                        while rows != 0:
                            row = lowest_bit(rows)
                            rows &= rows - _ONE
                            counts[row] += 1
                            if counts[row] == depth:
                                last_level[row] = level + lag
                                wanting &= ~(_ONE << row)
            content = next_content
    return size


@kernel
def deal(
    ranked: Int32Array,
    contents: Int32Array,
    members: UInt64Array,
    first_row: int,
    kept: Int32Array,
    counts: Int64Array,
) -> None:
    """Deal ranked videos to the rows that their contents are in, until each row is full.

    Args:
        ranked: int32, positions, best first.
        contents: int32[videos].
        members: uint64[contents], the rows that each content is in, as bits.
        first_row: The row of the first bit.
        kept: int32[rows, depth], written.
        counts: int64[rows], raised from 0.
    """
    depth = kept.shape[1]
    wanting = _ALL
    for video in ranked:
        rows = members[contents[video]] & wanting
        while rows != 0:
            bit = lowest_bit(rows)
            rows &= rows - _ONE
            row = first_row + np.int64(bit)
            place = counts[row]
            kept[row, place] = video
            counts[row] = place + 1
            if place + 1 == depth:
                wanting &= ~(_ONE << bit)


@kernel
def keep_best(
    terms: Terms,
    bitmap: UInt8Array,
    ladders: Ladders,
    base: int,
    rows: RowPlan,
    slack: float,
    scratch: Scratch,
    ranked: Int32Array,
    kept: Int32Array,
    counts: Int64Array,
) -> None:
    """Write the best unseen videos of all rows that take them from the whole catalogue.

    Args:
        terms: Of the scores.
        bitmap: uint8[ceil(videos / 8)], eligible videos.
        ladders: Of the bases.
        base: The base of the page.
        rows: The plan.
        slack: By what rounding may lift a score over its bound.
        scratch: Written; the scores of what is kept among it.
        ranked: int32[videos], written.
        kept: int32[rows, depth], written.
        counts: int64[rows], raised from 0.
    """
    for group in range(len(rows.members)):
        members = rows.members[group]
        size = gather_best(
            terms, bitmap, ladders, base, members, kept.shape[1], slack, scratch, ranked
        )
        score_videos(terms, ranked[:size], scratch.scores)
        sort_descending(scratch.scores, ranked[:size], scratch)
        deal(ranked[:size], terms.contents, members, group * ROWS_OF_A_MASK, kept, counts)


@kernel
def add_seen_members(
    pages: Pages,
    page: int,
    row: int,
    contents: Int32Array,
    rows: RowPlan,
    candidates: Int32Array,
    found: int,
) -> int:
    """Add the videos of a row that were seen; return how many candidates there are then."""
    members, bit = rows.members[row // ROWS_OF_A_MASK], _ONE << np.uint64(row % ROWS_OF_A_MASK)
    for index in range(pages.seen_starts[page], pages.seen_starts[page + 1]):
        video = pages.seen[index]
        if members[contents[video]] & bit != 0 and not is_set(pages.bitmaps[page], video):
            candidates[found] = video
            found += 1
    return found


@kernel
def is_wanted(
    bitmap: UInt8Array, page: int, video: int, which: int, seen_by: Int64Array
) -> bool:
    """Return whether a video is among the unseen, the seen, or both, that a page may show."""
    if seen_by[video] == page:
        return which != _UNSEEN
    return which != _SEEN and is_set(bitmap, video)


@kernel
def add_ordered(
    bitmap: UInt8Array,
    page: int,
    row: int,
    rows: RowPlan,
    which: int,
    seen_by: Int64Array,
    candidates: Int32Array,
    found: int,
) -> int:
    """Add the first videos of a row's own order; see `add_candidates`."""
    order = rows.order_of[page, row]
    if order < 0:
        return found
    for index in range(rows.order_offsets[order], rows.order_offsets[order + 1]):
        if found == rows.limits[row]:
            break
        video = rows.order_positions[index]
        if is_wanted(bitmap, page, video, which, seen_by):
            candidates[found] = video
            found += 1
    return found


@kernel
def add_candidates(
    bitmap: UInt8Array,
    page: int,
    row: int,
    rows: RowPlan,
    which: int,
    seen_by: Int64Array,
    candidates: Int32Array,
    found: int,
) -> int:
    """Add a row's unseen candidates, seen ones, or both; return how many there are then.

    Args:
        bitmap: uint8[ceil(videos / 8)], eligible videos, the seen not among them.
        page: The page.
        row: The row; its candidates come from an order or from the request.
        rows: The plan.
        which: _UNSEEN, _SEEN or _BOTH.
        seen_by: int64[videos], the last page whose profile has seen each.
        candidates: int32, written from `found` on.
        found: Candidates that are there already.
    """
    if rows.sources[row] == FROM_ORDER:
        return add_ordered(bitmap, page, row, rows, which, seen_by, candidates, found)
    cell = page * len(rows.sources) + row
    for index in range(rows.given_starts[cell], rows.given_starts[cell + 1]):
        video = rows.given_positions[index]
        if rows.seen[row] != _DEMOTE or (seen_by[video] == page) == (which == _SEEN):
            candidates[found] = video
            found += 1
    return found


@kernel
def list_candidates(
    pages: Pages,
    page: int,
    row: int,
    terms: Terms,
    rows: RowPlan,
    best: Int32Array,
    seen_by: Int64Array,
    candidates: Int32Array,
    scratch: Scratch,
) -> int:
    """Write a row's candidates, best first and demoted ones last; return how many there are.

    `best` are the best unseen videos of a row that takes them from the whole catalogue.
    """
    bitmap = pages.bitmaps[page]
    demotes = rows.seen[row] == _DEMOTE
    if rows.sources[row] == FROM_MASK:
        first = len(best)
        candidates[:first] = best
        found = add_seen_members(pages, page, row, terms.contents, rows, candidates, first)
        if not demotes:
            first = found
    else:
        which = _UNSEEN if rows.seen[row] <= _DEMOTE else _BOTH
        first = add_candidates(bitmap, page, row, rows, which, seen_by, candidates, 0)
        found = first
        if demotes:
            found = add_candidates(bitmap, page, row, rows, _SEEN, seen_by, candidates, first)
    score_videos(terms, candidates[:found], scratch.scores)
    if rows.by_model[row]:
        sort_descending(scratch.scores, candidates[:first], scratch)
        sort_descending(scratch.scores, candidates[first:found], scratch)
    return found


@kernel
def score_row(scores: Float32Array, prior: np.float32) -> np.float32:
    """Return the mean of the given scores plus the prior; NaN without any."""
    if len(scores) == 0:
        return np.float32(np.nan)
    total = np.float32(0)
    for score in scores:
        total += score
    return np.float32(total / np.float32(len(scores)) + prior)


@kernel
def widest_list(rows: RowPlan, pages: Pages, videos: int, depth: int) -> int:
    """Return the longest list of candidates that a row can have."""
    widest = videos
    for page in range(len(pages.as_of)):
        widest = max(widest, depth + pages.seen_starts[page + 1] - pages.seen_starts[page])
    for row in range(len(rows.given_starts) - 1):
        widest = max(widest, rows.given_starts[row + 1] - rows.given_starts[row])
    for order in range(len(rows.order_offsets) - 1):
        widest = max(widest, rows.order_offsets[order + 1] - rows.order_offsets[order])
    return widest


@kernel
def rank_pages(
    pages: Pages,
    videos: Videos,
    weights: Weights,
    ladders: Ladders,
    rows: RowPlan,
    depth: int,
    row_score_depth: int,
    out: Kept,
) -> tuple[int, int]:
    """Rank the rows of pages that share a catalogue and a model.

    Args:
        pages: The pages.
        videos: The catalogue.
        weights: Of the model.
        ladders: Of the bases of the pages.
        rows: The plan.
        depth: Videos kept per row at most.
        row_score_depth: Leading videos whose mean score, and the prior, make a row's score.
        out: Written.

    Returns:
        The number of kept videos, and the first page with a score that is not a finite number
        (ranking stops there), or -1.
    """
    row_count, video_count = len(rows.sources), pages.base.shape[1]
    ranked = np.empty(video_count, np.int32)
    kept = np.empty((row_count, depth), np.int32)
    counts = np.empty(row_count, np.int64)
    candidates = np.empty(widest_list(rows, pages, video_count, depth), np.int32)
    scratch = make_scratch(video_count, len(candidates), len(videos.taste_values))
    seen_by = np.full(video_count, -1, np.int64)
    written = 0
    for page in range(len(pages.as_of)):
        score_contents(pages, page, videos, weights, scratch)
        base = pages.base_of[page]
        terms = Terms(
            pages.base[base],
            videos.contents,
            scratch.affinities,
            scratch.matches,
            videos.added_at,
            weights.freshness,
            weights.half_life_micros,
            pages.as_of[page],
        )
        reach = reach_of(ladders, terms, base)
        if not reach < _LARGEST and not has_finite_scores(terms, scratch):
            return written, page
        for index in range(pages.seen_starts[page], pages.seen_starts[page + 1]):
            seen_by[pages.seen[index]] = page
        counts[:] = 0
        keep_best(
            terms,
            pages.bitmaps[page],
            ladders,
            base,
            rows,
            reach * _ROUNDING,
            scratch,
            ranked,
            kept,
            counts,
        )
        for row in range(row_count):
            if rows.sources[row] != FROM_MASK or rows.seen[row] != _EXCLUDE:
                best = kept[row, : counts[row]]
                found = list_candidates(
                    pages, page, row, terms, rows, best, seen_by, candidates, scratch
                )
                counts[row] = min(found, depth)
                kept[row, : counts[row]] = candidates[: counts[row]]
            first = written
            for video in kept[row, : counts[row]]:
                out.positions[written] = video
                out.scores[written] = scratch.scores[video]
                written += 1
            out.counts[page, row] = counts[row]
            leading = out.scores[first : min(written, first + row_score_depth)]
            out.row_scores[page, row] = score_row(leading, rows.priors[row])
    return written, -1
