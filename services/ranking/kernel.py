"""Scores videos, sorts them once per page, and keeps the best of every row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.kernel import kernel
from services.ranking.columns import Scratch

if TYPE_CHECKING:
    from core.arrays import Float32Array, Int32Array, Int64Array, UInt8Array
    from services.ranking.columns import Kept, Pages, RowPlan, Videos, Weights

FROM_MASK, FROM_ORDER, FROM_REQUEST = 0, 1, 2
"""Where the candidates of a row come from."""

_EXCLUDE, _DEMOTE = 1, 2  # of services.page.model.SeenPolicy
_UNSEEN, _SEEN, _BOTH = 0, 1, 2

MASK_BITS = 64
"""Rows in one word of a membership mask."""

_DIGITS = 3
_DIGIT_BITS = 11
_HISTOGRAM_SIZE = 1 << _DIGIT_BITS
_SIGN_BIT = 31


@kernel
def is_set(bitmap: UInt8Array, position: int) -> bool:
    """Return one bit of a bitmap, least significant bit first."""
    return bool((bitmap[position >> 3] >> (position & 7)) & 1)


@kernel
def score_contents(
    pages: Pages, page: int, videos: Videos, weights: Weights, scratch: Scratch
) -> None:
    """Write each content's mean genre affinity and its taste match; 0 where not weighed."""
    affinity = pages.affinity[page]
    taste = pages.taste[page]
    scratch.affinities[:] = 0
    scratch.matches[:] = 0
    for content in range(len(videos.taste_values)):
        start, end = videos.affinity_offsets[content], videos.affinity_offsets[content + 1]
        if end > start and weights.affinity != 0:
            total = np.float32(0)
            for entry in range(start, end):
                total += affinity[videos.affinity_fields[entry]]
            scratch.affinities[content] = total / np.float32(end - start)
        if weights.taste != 0:
            total = np.float32(0)
            start, end = videos.taste_offsets[content], videos.taste_offsets[content + 1]
            for entry in range(start, end):
                total += taste[videos.taste_fields[entry]]
            scratch.matches[content] = total * videos.taste_values[content]


@kernel
def score_videos(
    pages: Pages,
    page: int,
    videos: Videos,
    weights: Weights,
    scratch: Scratch,
    scores: Float32Array,
) -> None:
    """Write the linear score of every video for one page.

    score = base + affinity weight x mean(affinity of its genres)
    + taste weight x (taste . content) + freshness weight / (1 + age / half life),
    summed in that order in float32; `scores` is float32[videos].
    """
    as_of = pages.as_of[page]
    base = pages.base[pages.base_of[page]]
    score_contents(pages, page, videos, weights, scratch)
    for video in range(len(base)):
        content = videos.contents[video]
        score = base[video] + weights.affinity * scratch.affinities[content]
        score += weights.taste * scratch.matches[content]
        if weights.freshness != 0 and videos.added_at[video] > -(2**63):
            age = np.float64(max(as_of - videos.added_at[video], 0))
            decay = np.float32(1.0 + age / weights.half_life_micros)
            score += weights.freshness * (np.float32(1) / decay)
        # Adding zero makes -0 and 0 one score.
        scores[video] = score + np.float32(0)


@kernel
def make_scratch(size: int, contents: int) -> Scratch:
    """Return scratch for sorting up to `size` positions, and for so many contents."""
    return Scratch(
        np.empty(size, np.uint32),
        np.empty(size, np.uint32),
        np.empty(size, np.int32),
        np.empty(_HISTOGRAM_SIZE, np.int32),
        np.empty(contents, np.float32),
        np.empty(contents, np.float32),
    )


@kernel
def sort_descending(
    scores: Float32Array, positions: Int32Array, count: int, scratch: Scratch
) -> None:
    """Sort the first `count` positions by descending score, stably, in place.

    A radix sort over the bits of float32. Equal scores keep their order, so positions that
    come in ascending order stay ascending among equals.
    """
    bits = scores.view(np.uint32)
    keys, histogram = scratch.keys, scratch.histogram
    for index in range(count):
        key = bits[positions[index]]
        # As unsigned integers, flipped so that the greatest float is the smallest key.
        keys[index] = key if key >> np.uint32(_SIGN_BIT) else ~(key | np.uint32(1 << _SIGN_BIT))
    for digit in range(_DIGITS):
        shift = np.uint32(digit * _DIGIT_BITS)
        histogram[:] = 0
        for index in range(count):
            histogram[(keys[index] >> shift) & np.uint32(_HISTOGRAM_SIZE - 1)] += 1
        total = 0
        for bucket in range(_HISTOGRAM_SIZE):
            size = histogram[bucket]
            histogram[bucket] = total
            total += size
        for index in range(count):
            bucket = (keys[index] >> shift) & np.uint32(_HISTOGRAM_SIZE - 1)
            place = histogram[bucket]
            histogram[bucket] = place + 1
            scratch.other_keys[place] = keys[index]
            scratch.other_positions[place] = positions[index]
        keys[:count] = scratch.other_keys[:count]
        positions[:count] = scratch.other_positions[:count]


@kernel
def fill_from_masks(
    ranked: Int32Array, eligible: int, rows: RowPlan, kept: Int32Array, counts: Int64Array
) -> None:
    """Deal the ranked videos to the rows they are in, until every such row is full.

    Args:
        ranked: int32, of which the first `eligible` are positions, best first.
        eligible: Number of positions.
        rows: The plan.
        kept: int32[rows, depth], written.
        counts: int64[rows], raised.
    """
    words, depth = rows.masks.shape[1], kept.shape[1]
    open_rows = np.empty(words, np.uint64)
    for word in range(words):
        bits = min(MASK_BITS, len(rows.mask_rows) - word * MASK_BITS)
        open_rows[word] = ~np.uint64(0) >> np.uint64(MASK_BITS - bits)
    still_open = len(rows.mask_rows)
    for index in range(eligible):
        if still_open == 0:
            break
        video = ranked[index]
        for word in range(words):
            left = rows.masks[rows.contents[video], word] & open_rows[word]
            bit = 0
            while left != 0:
                if left & np.uint64(1):
                    row = rows.mask_rows[word * MASK_BITS + bit]
                    kept[row, counts[row]] = video
                    counts[row] += 1
                    if counts[row] == depth:
                        open_rows[word] &= ~(np.uint64(1) << np.uint64(bit))
                        still_open -= 1
                left >>= np.uint64(1)
                bit += 1


@kernel
def find_mask_bits(rows: RowPlan) -> Int64Array:
    """Return the bit of each row in the membership masks, -1 where it has none: int64[rows]."""
    bits = np.full(len(rows.sources), -1, np.int64)
    for bit in range(len(rows.mask_rows)):
        bits[rows.mask_rows[bit]] = bit
    return bits


@kernel
def is_wanted(
    bitmap: UInt8Array, page: int, video: int, which: int, seen_by: Int64Array
) -> bool:
    """Return whether a video is among the unseen, the seen, or both, that a page may show."""
    if seen_by[video] == page:
        return which != _UNSEEN
    return which != _SEEN and is_set(bitmap, video)


@kernel
def add_members(
    bitmap: UInt8Array,
    page: int,
    rows: RowPlan,
    mask_bit: int,
    which: int,
    seen_by: Int64Array,
    candidates: Int32Array,
    found: int,
) -> int:
    """Add the videos of a row that has a bit in the masks; see `add_candidates`."""
    word, bit = mask_bit // MASK_BITS, np.uint64(mask_bit % MASK_BITS)
    for video in range(len(rows.contents)):
        is_member = (rows.masks[rows.contents[video], word] >> bit) & np.uint64(1)
        if is_member and is_wanted(bitmap, page, video, which, seen_by):
            candidates[found] = video
            found += 1
    return found


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
    mask_bit: int,
    which: int,
    seen_by: Int64Array,
    candidates: Int32Array,
    found: int,
) -> int:
    """Add a row's unseen candidates, seen ones, or both; return how many there are then.

    Args:
        bitmap: uint8[ceil(videos / 8)], eligible videos, the seen not among them.
        page: The page.
        row: The row.
        rows: The plan.
        mask_bit: Bit of the row in the membership masks; -1 if it has none.
        which: _UNSEEN, _SEEN or _BOTH.
        seen_by: int64[videos], the last page whose profile has seen each.
        candidates: int32, written from `found` on.
        found: Candidates that are there already.
    """
    if rows.sources[row] == FROM_MASK:
        return add_members(bitmap, page, rows, mask_bit, which, seen_by, candidates, found)
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
def sort_candidates(scores: Float32Array, candidates: Int32Array, scratch: Scratch) -> None:
    """Sort candidates by descending score, and by position where scores are equal."""
    candidates.sort()
    sort_descending(scores, candidates, len(candidates), scratch)


@kernel
def list_candidates(
    pages: Pages,
    page: int,
    row: int,
    rows: RowPlan,
    mask_bit: int,
    seen_by: Int64Array,
    scores: Float32Array,
    candidates: Int32Array,
    scratch: Scratch,
) -> int:
    """Write a row's candidates, best first and demoted ones last; return how many there are."""
    bitmap = pages.bitmaps[page]
    which = _UNSEEN if rows.seen[row] <= _DEMOTE else _BOTH
    first = add_candidates(bitmap, page, row, rows, mask_bit, which, seen_by, candidates, 0)
    found = first
    if rows.seen[row] == _DEMOTE:
        found = add_candidates(
            bitmap, page, row, rows, mask_bit, _SEEN, seen_by, candidates, first
        )
    if rows.by_model[row]:
        sort_candidates(scores, candidates[:first], scratch)
        sort_candidates(scores, candidates[first:found], scratch)
    return found


@kernel
def list_eligible(bitmap: UInt8Array, scores: Float32Array, eligible: Int32Array) -> int:
    """Write the eligible positions, ascending; return how many, -1 for a non-finite score."""
    size = 0
    for video in range(len(scores)):
        if not np.isfinite(scores[video]):
            return -1
        if is_set(bitmap, video):
            eligible[size] = video
            size += 1
    return size


@kernel
def score_row(scores: Float32Array, positions: Int32Array, prior: np.float32) -> np.float32:
    """Return the mean score of the given videos plus the prior; NaN without any."""
    if len(positions) == 0:
        return np.float32(np.nan)
    total = np.float32(0)
    for position in positions:
        total += scores[position]
    return np.float32(total / np.float32(len(positions)) + prior)


@kernel
def widest_list(rows: RowPlan, videos: int) -> int:
    """Return the longest list of candidates that a row can have."""
    widest = videos
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
        rows: The plan.
        depth: Videos kept per row at most.
        row_score_depth: Leading videos whose mean score, and the prior, make a row's score.
        out: Written.

    Returns:
        The number of kept videos, and the first page with a score that is not a finite number
        (ranking stops there), or -1.
    """
    row_count = len(rows.sources)
    scores = np.empty(pages.base.shape[1], np.float32)
    ranked = np.empty(len(scores), np.int32)
    kept = np.empty((row_count, depth), np.int32)
    counts = np.empty(row_count, np.int64)
    candidates = np.empty(widest_list(rows, len(scores)), np.int32)
    scratch = make_scratch(len(candidates), len(videos.taste_values))
    mask_bits = find_mask_bits(rows)
    seen_by = np.full(len(scores), -1, np.int64)
    written = 0
    for page in range(len(pages.as_of)):
        score_videos(pages, page, videos, weights, scratch, scores)
        eligible = list_eligible(pages.bitmaps[page], scores, ranked)
        if eligible < 0:
            return written, page
        for index in range(pages.seen_starts[page], pages.seen_starts[page + 1]):
            seen_by[pages.seen[index]] = page
        counts[:] = 0
        if len(rows.mask_rows) > 0:
            sort_descending(scores, ranked, eligible, scratch)
            fill_from_masks(ranked, eligible, rows, kept, counts)
        for row in range(row_count):
            if rows.sources[row] != FROM_MASK or rows.seen[row] != _EXCLUDE:
                found = list_candidates(
                    pages, page, row, rows, mask_bits[row], seen_by, scores, candidates, scratch
                )
                counts[row] = min(found, depth)
                kept[row, : counts[row]] = candidates[: counts[row]]
            for place in range(counts[row]):
                out.positions[written] = kept[row, place]
                out.scores[written] = scores[kept[row, place]]
                written += 1
            out.counts[page, row] = counts[row]
            leading = kept[row, : min(counts[row], row_score_depth)]
            out.row_scores[page, row] = score_row(scores, leading, rows.priors[row])
    return written, -1
