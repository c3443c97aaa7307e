"""Similarity of a page to its reference, from 0 (disjoint) to 1 (equal)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core.kernel import kernel
from experiments.metrics.definitions.weights import cumulative_agreement, exposure

if TYPE_CHECKING:
    from core.arrays import BoolArray, Float64Array, Int32Array, Int64Array
    from experiments.metrics.definitions.columns import Pages

_PERSISTENCE = 0.9  # of weights: a kernel uses constants of its own file only
_MISSING = -1


class Scratch(NamedTuple):
    """Hold what comparing two pages needs: weights, and space that is left as it was.

    exposures: float64[depths], of a place by its depth (row + column, from 0).
    agreement: float64[longest list + 1], see `weights.cumulative_agreement`.
    places_of_rows: int64[row ids], _MISSING.
    ranks: int64[max(row ids, videos)], _MISSING.
    here: float64[videos], zero.
    there: float64[videos], zero.
    """

    exposures: Float64Array
    agreement: Float64Array
    places_of_rows: Int64Array
    ranks: Int64Array
    here: Float64Array
    there: Float64Array

    @classmethod
    def make(cls, *, row_ids: int, videos: int, deepest: int) -> Scratch:
        """Return scratch for so many codes, and places no deeper than `deepest`."""
        return cls(
            exposures=exposure(1, deepest + 1)[0],
            agreement=cumulative_agreement(deepest + 1),
            places_of_rows=np.full(row_ids, _MISSING, np.int64),
            ranks=np.full(max(row_ids, videos), _MISSING, np.int64),
            here=np.zeros(videos),
            there=np.zeros(videos),
        )


@kernel
def changed_pages(pages: Pages, others: Pages, page: int) -> float:
    """Measure the share of pages that look different: other rows, titles or order.

    Scores, which no member sees, do not count.
    """
    first, last = pages.row_starts[page], pages.row_starts[page + 1]
    other = others.row_starts[page]
    if last - first != others.row_starts[page + 1] - other:
        return 1.0
    for row in range(first, last):
        if (
            pages.row_ids[row] != others.row_ids[other]
            or pages.titles[row] != others.titles[other]
            or not np.array_equal(find_videos(pages, row), find_videos(others, other))
        ):
            return 1.0
        other += 1
    return 0.0


@kernel
def identical_pages(is_equal: BoolArray, page: int) -> float:
    """Measure the share of pages whose bytes equal their reference's, scores included."""
    return 1.0 if is_equal[page] else 0.0


@kernel
def row_overlap(pages: Pages, others: Pages, scratch: Scratch, page: int) -> float:
    """Compare which rows stand where: rank-biased overlap of the two pages' rows.

    Rows are the same when their ids are; persistence is 0.9, so that the first rows count
    most. Source: Webber, Moffat and Zobel, A Similarity Measure for Indefinite Rankings (ACM
    TOIS 2010), equation 32 (extrapolated, lists of uneven length).
    """
    return rank_biased_overlap(find_row_ids(pages, page), find_row_ids(others, page), scratch)


@kernel
def in_row_overlap(pages: Pages, others: Pages, scratch: Scratch, page: int) -> float:
    """Compare the titles inside the rows that both pages have: mean rank-biased overlap.

    Pairs without a common row have no value. Persistence and source as for `row_overlap`.
    """
    first, last = others.row_starts[page], others.row_starts[page + 1]
    for row in range(first, last):
        scratch.places_of_rows[others.row_ids[row]] = row
    total, shared = 0.0, 0
    for row in range(pages.row_starts[page], pages.row_starts[page + 1]):
        other = scratch.places_of_rows[pages.row_ids[row]]
        if other != _MISSING:
            shared += 1
            total += rank_biased_overlap(
                find_videos(pages, row), find_videos(others, other), scratch
            )
    for row in range(first, last):
        scratch.places_of_rows[others.row_ids[row]] = _MISSING
    return total / shared if shared else np.nan


@kernel
def viewport_overlap(pages: Pages, others: Pages, scratch: Scratch, page: int) -> float:
    """Compare what is in view before scrolling: Jaccard's index weighed by exposure.

    The sum over titles of the smaller exposure on either page, divided by the sum of the
    larger. A place exposes its title by 1 / log2(row + column), counted from 1; places of one
    title add up. Source: Ruzicka's generalisation of Jaccard (1958) to weights.
    """
    here, there = scratch.here, scratch.there
    expose(pages, page, scratch.exposures, here)
    expose(others, page, scratch.exposures, there)
    smaller, larger = 0.0, 0.0
    for side in (pages, others):
        first, last = side.row_starts[page], side.row_starts[page + 1]
        for cell in range(side.cell_starts[first], side.cell_starts[last]):
            video = side.videos[cell]
            smaller += min(here[video], there[video])
            larger += max(here[video], there[video])
            here[video] = there[video] = 0.0  # counted; the next place of it adds nothing
    return smaller / larger if larger else np.nan


DEFINITIONS = (changed_pages, identical_pages, row_overlap, in_row_overlap, viewport_overlap)
"""In the order in which `measure_similarity` writes their values."""


@kernel
def measure_similarity(
    pages: Pages,
    others: Pages,
    is_equal: BoolArray,
    is_compared: BoolArray,
    scratch: Scratch,
    values: Float64Array,
) -> None:
    """Write how near each page is to its reference.

    Args:
        pages: Pages of a variant.
        others: Their references, at the same places.
        is_equal: bool[pages], the bytes are the same.
        is_compared: bool[pages], both were made; others get NaN.
        scratch: Space, left as it was.
        values: float64[pages, definitions].
    """
    for page in range(len(values)):
        if not is_compared[page]:
            values[page] = np.nan
        elif is_equal[page]:
            values[page] = np.array((0.0, 1.0, 1.0, 1.0, 1.0))
        else:
            values[page] = np.array(
                (
                    changed_pages(pages, others, page),
                    identical_pages(is_equal, page),
                    row_overlap(pages, others, scratch, page),
                    in_row_overlap(pages, others, scratch, page),
                    viewport_overlap(pages, others, scratch, page),
                )
            )


@kernel
def rank_biased_overlap(left: Int32Array, right: Int32Array, scratch: Scratch) -> float:
    """Return the extrapolated rank-biased overlap of two lists; 0 where one is empty.

    With s <= l the lengths, X_d the number of common entries in the first d of both, and
    W(d) the sum of p^e / e up to d (Webber, Moffat and Zobel 2010, equation 32)::

        (1 - p) / p * (sum over d <= l of X_d / d * p^d
                       + sum over s < d <= l of X_s (d - s) / (s d) * p^d)
        + ((X_l - X_s) / l + X_s / s) * p^l

    A common entry is in X_d from the deeper of its two ranks on, so the first sum needs no
    loop over depths: it is the sum over common entries of W(l) - W(rank - 1).

    Args:
        left: int32[entries], distinct codes.
        right: The same.
        scratch: Has room for the ranks of codes, and W.
    """
    shorter, longer = min(len(left), len(right)), max(len(left), len(right))
    if shorter == 0:
        return 0.0
    for rank, code in enumerate(right):
        scratch.ranks[code] = rank
    shared, early, before = 0.0, 0.0, 0.0
    for rank, code in enumerate(left):
        other = scratch.ranks[code]
        if other != _MISSING:
            deeper = max(rank, other)
            shared += 1
            early += deeper < shorter
            before += scratch.agreement[deeper]
    for code in right:
        scratch.ranks[code] = _MISSING
    p, s, l = _PERSISTENCE, float(shorter), float(longer)  # noqa: E741 - the paper's letters
    agreement = scratch.agreement
    common = shared * agreement[longer] - before
    missing = (early / s) * (
        (p ** (s + 1) - p ** (l + 1)) / (1 - p) - s * (agreement[longer] - agreement[shorter])
    )
    tail = ((shared - early) / l + early / s) * p**l
    overlap = (1 - p) / p * (common + missing) + tail
    return float(min(max(overlap, 0.0), 1.0))


@kernel
def expose(pages: Pages, page: int, exposures: Float64Array, totals: Float64Array) -> None:
    """Add the exposure of each place in view to its title's."""
    first, last = pages.row_starts[page], pages.row_starts[page + 1]
    for cell in range(pages.cell_starts[first], pages.cell_starts[last]):
        if pages.steps[cell] == 0:
            totals[pages.videos[cell]] += exposures[pages.depths[cell]]


@kernel
def find_row_ids(pages: Pages, page: int) -> Int32Array:
    """Return the codes of the rows of a page."""
    return pages.row_ids[pages.row_starts[page] : pages.row_starts[page + 1]]


@kernel
def find_videos(pages: Pages, row: int) -> Int32Array:
    """Return the codes of the videos of a row."""
    return pages.videos[pages.cell_starts[row] : pages.cell_starts[row + 1]]
