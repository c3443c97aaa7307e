"""The arrays that ranking kernels work on, grouped by what they describe."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np

    from core.arrays import (
        BoolArray,
        Float32Array,
        Float64Array,
        Int32Array,
        Int64Array,
        UInt8Array,
        UInt64Array,
    )


class Weights(NamedTuple):
    """Weigh the terms of a linear score that depend on the page; 0 leaves a term out."""

    affinity: np.float32
    taste: np.float32
    freshness: np.float32
    half_life_micros: np.float64


class Videos(NamedTuple):
    """Describe the catalogue: when videos came, and their contents in two feature spaces.

    added_at: int64[videos] in microseconds; the smallest int64 where not known.
    contents: int32[videos], number of each video's content.
    affinity_offsets: int32[contents + 1] into affinity_fields.
    affinity_fields: int32[entries], genres of each content among the affinity fields.
    taste_offsets: int32[contents + 1] into taste_fields.
    taste_fields: int32[entries], fields of each content's vector, ascending.
    taste_values: float32[contents], common value of a content's fields.
    """

    added_at: Int64Array
    contents: Int32Array
    affinity_offsets: Int32Array
    affinity_fields: Int32Array
    taste_offsets: Int32Array
    taste_fields: Int32Array
    taste_values: Float32Array


class Pages(NamedTuple):
    """Describe pages that share a catalogue and a model.

    as_of: int64[pages] in microseconds.
    bitmaps: uint8[pages, ceil(videos / 8)], eligible videos, least significant bit first.
    base: float32[bases, videos], the part of the score that profiles share.
    base_of: int64[pages], the base of each page.
    affinity: float32[pages, affinity fields].
    taste: float32[pages, content fields].
    seen_starts: int64[pages + 1] into seen.
    seen: int32, videos that are not eligible only because they were seen, ascending.
    """

    as_of: Int64Array
    bitmaps: UInt8Array
    base: Float32Array
    base_of: Int64Array
    affinity: Float32Array
    taste: Float32Array
    seen_starts: Int64Array
    seen: Int32Array


class Ladders(NamedTuple):
    """Hold the videos of each content, those first whose score can be highest, for each base.

    starts: int32[contents + 1] into the second dimension of the others.
    order: int32[bases, videos], catalogue positions.
    bounds: float32[bases, videos], not below base and freshness of each, but for rounding.
    since: int64[bases], microseconds; the bounds hold for pages of no earlier moment.
    largest: float64[bases], the largest base, sign aside; infinity where one is not finite.
    """

    starts: Int32Array
    order: Int32Array
    bounds: Float32Array
    since: Int64Array
    largest: Float64Array


class RowPlan(NamedTuple):
    """Say where the candidates of each row come from.

    sources: int64[rows], FROM_MASK, FROM_ORDER or FROM_REQUEST.
    by_model: bool[rows], whether the model orders the candidates.
    limits: int64[rows], candidates taken from an order at most.
    priors: float32[rows], added to the score of a row.
    seen: int64[rows], numbers of `SeenPolicy`.
    members: uint64[groups, contents], the FROM_MASK rows that each content is in: bit b of
        group g stands for row 64 g + b.
    order_of: int64[pages, rows], the order that a FROM_ORDER row walks; -1 for none.
    order_offsets: int64[orders + 1] into order_positions.
    order_positions: int32[entries], catalogue positions in each order.
    given_starts: int64[pages x rows + 1] into given_positions.
    given_positions: int32[candidates] of FROM_REQUEST rows.
    """

    sources: Int64Array
    by_model: BoolArray
    limits: Int64Array
    priors: Float32Array
    seen: Int64Array
    members: UInt64Array
    order_of: Int64Array
    order_offsets: Int64Array
    order_positions: Int32Array
    given_starts: Int64Array
    given_positions: Int32Array


class Kept(NamedTuple):
    """Receive the ranked rows.

    counts: int32[pages, rows], videos kept.
    positions: int32[videos], page-major, best first.
    scores: float32[videos].
    row_scores: float32[pages, rows]; NaN for an empty row.
    """

    counts: Int32Array
    positions: Int32Array
    scores: Float32Array
    row_scores: Float32Array


class Scratch(NamedTuple):
    """Hold what kernels work with.

    scores: float32[videos].
    keys, other_keys: uint64[candidates], for sorting.
    histogram: int32, likewise.
    affinities, matches: float32[contents], terms of scores on the page at hand.
    shifts: float64[contents], their sums.
    cursors: int32[contents], the next video of each content in its ladder.
    following: int32[contents], the next content on the same level; -1 for none.
    levels: int32[levels], the first content on each level; -1 for none.
    last_levels: int64[rows of a mask], the last level that may add to each.
    """

    scores: Float32Array
    keys: UInt64Array
    other_keys: UInt64Array
    histogram: Int32Array
    affinities: Float32Array
    matches: Float32Array
    shifts: Float64Array
    cursors: Int32Array
    following: Int32Array
    levels: Int32Array
    last_levels: Int64Array
