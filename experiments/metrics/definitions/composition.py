"""Metrics of what a page shows. A page without rows has no value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.kernel import kernel

if TYPE_CHECKING:
    from core.arrays import Float64Array, Int8Array
    from experiments.metrics.definitions.columns import Facts, Pages

FRESH_DAYS = 90
"""A title counts as fresh for so many days after it was added."""
_FRESH_MICROS = FRESH_DAYS * 86_400_000_000


@kernel
def rows_per_page(pages: Pages, page: int) -> float:
    """Count how many rows a page has."""
    return float(pages.row_starts[page + 1] - pages.row_starts[page])


@kernel
def videos_per_page(pages: Pages, page: int) -> float:
    """Count how many titles a page has, each as often as it stands there."""
    first, last = find_cells(pages, page)
    return float(last - first)


@kernel
def distinct_videos(pages: Pages, page: int) -> float:
    """Count how many different titles a page has."""
    first, last = find_cells(pages, page)
    return float(last - first - pages.is_repeat[first:last].sum())


@kernel
def duplicate_share(pages: Pages, page: int) -> float:
    """Measure the share of places that repeat a title of the page.

    Counted as 1 - different titles / places: of two places with one title one is a duplicate.
    """
    first, last = find_cells(pages, page)
    return float(pages.is_repeat[first:last].mean())


@kernel
def row_types(pages: Pages, page: int) -> float:
    """Count how many kinds of rows a page has."""
    row_types = pages.row_types[pages.row_starts[page] : pages.row_starts[page + 1]]
    return float(len(set(row_types)))


@kernel
def genre_entropy(pages: Pages, facts: Facts, page: int) -> float:
    """Measure how evenly a page spreads over genres: Shannon's entropy of its genres.

    Each place weighs 1, split evenly over its title's genres; titles without a genre are left
    out. 0 is one genre; 3 is as varied as 8 genres in equal parts. Source: Shannon, A
    Mathematical Theory of Communication (1948), section 6.
    """
    weights = np.zeros(facts.genre_count)
    contents = facts.contents[facts.catalogue_of[page]]
    first, last = find_cells(pages, page)
    for cell in range(first, last):
        content = contents[pages.videos[cell]]
        start, end = facts.genre_starts[content], facts.genre_starts[content + 1]
        share = 1.0 / max(end - start, 1)
        for entry in range(start, end):
            weights[facts.genres[entry]] += share
    total = weights.sum()
    if total == 0:
        return np.nan
    entropy = 0.0
    for weight in weights:
        if weight > 0:
            entropy -= weight / total * np.log2(weight / total)
    return max(entropy, 0.0)


@kernel
def intra_list_diversity(pages: Pages, facts: Facts, page: int) -> float:
    """Measure how unlike the titles in view are: mean distance of their genres.

    The distance of two different titles is 1 - |shared genres| / |genres of either|; titles
    without a genre are left out. Source: Ziegler, McNee, Konstan and Lausen,
    Improving Recommendation Lists Through Topic Diversification (WWW 2005), with Jaccard's
    distance.
    """
    contents = facts.contents[facts.catalogue_of[page]]
    first, last = find_cells(pages, page)
    words = facts.genre_masks.shape[1]
    masks = np.empty((last - first, words), np.uint64)
    sizes = np.empty(last - first, np.int64)
    count = 0
    for cell in range(first, last):
        if pages.steps[cell] == 0 and not pages.is_repeat_in_view[cell]:
            content = contents[pages.videos[cell]]
            sizes[count] = facts.genre_starts[content + 1] - facts.genre_starts[content]
            masks[count] = facts.genre_masks[content]
            count += sizes[count] > 0
    pairs = count * (count - 1) / 2
    if pairs == 0:
        return np.nan
    total = 0.0
    for one in range(count):
        for other in range(one):
            shared = 0
            for word in range(words):
                shared += count_bits(masks[one, word] & masks[other, word])
            total += 1.0 - shared / (sizes[one] + sizes[other] - shared)
    return total / pairs


@kernel
def popularity(pages: Pages, facts: Facts, page: int) -> float:
    """Measure how much-played a page's titles were: mean of log2(1 + plays in a year).

    Plays are those of the 365 days before the as-of, as known then. 1 more is twice as many
    plays. The self-information of a title, a measure of novelty, is this with its sign
    turned, up to a constant. Source: Zhou et al., Solving the apparent diversity-accuracy
    dilemma of recommender systems (PNAS 2010).
    """
    log_plays = facts.log_plays[facts.plays_of[page]]
    total = 0.0
    first, last = find_cells(pages, page)
    for cell in range(first, last):
        total += log_plays[pages.videos[cell]]
    return total / (last - first)


@kernel
def fresh_share(pages: Pages, facts: Facts, page: int) -> float:
    """Measure the share of places whose title was added in the 90 days before."""
    added_at = facts.added_at[facts.catalogue_of[page]]
    as_of = facts.as_of[page]
    fresh = 0
    first, last = find_cells(pages, page)
    for cell in range(first, last):
        # Not as a difference, which overflows where nobody knows when a title was added.
        fresh += as_of - _FRESH_MICROS <= added_at[pages.videos[cell]] <= as_of
    return fresh / (last - first)


@kernel
def viewport_duplicates(pages: Pages, page: int) -> float:
    """Count how many places in view before scrolling repeat a title that is in view."""
    first, last = find_cells(pages, page)
    return float(pages.is_repeat_in_view[first:last].sum())


@kernel
def unlicensed_videos(pages: Pages, facts: Facts, page: int) -> float:
    """Count how many places show a title not licensed where and when the page was made."""
    is_licensed = facts.is_licensed[facts.licences_of[page]]
    unlicensed = 0
    first, last = find_cells(pages, page)
    for cell in range(first, last):
        unlicensed += not is_licensed[pages.videos[cell]]
    return float(unlicensed)


@kernel
def overmature_videos(pages: Pages, facts: Facts, page: int) -> float:
    """Count how many places show a title rated above the member's maturity limit.

    Titles without a rating and members without a limit are left out.
    """
    maturity = facts.maturity[facts.catalogue_of[page]]
    limit = facts.maturity_limits[page]
    above = 0
    first, last = find_cells(pages, page)
    for cell in range(first, last):
        above += maturity[pages.videos[cell]] > limit
    return float(above)


@kernel
def row_share(pages: Pages, page: int, row_type: int) -> float:
    """Measure which share of a page's rows is of a type."""
    rows = pages.row_types[pages.row_starts[page] : pages.row_starts[page + 1]]
    return float((rows == row_type).mean())


DEFINITIONS = (
    rows_per_page,
    videos_per_page,
    distinct_videos,
    duplicate_share,
    row_types,
    genre_entropy,
    intra_list_diversity,
    popularity,
    fresh_share,
    viewport_duplicates,
    unlicensed_videos,
    overmature_videos,
)
"""In the order in which `measure_composition` writes their values."""


@kernel
def measure_composition(pages: Pages, facts: Facts, values: Float64Array) -> None:
    """Write what each page shows: float64[pages, definitions], NaN where there is no value."""
    for page in range(len(values)):
        first, last = find_cells(pages, page)
        if first == last:
            values[page] = np.nan
            continue
        values[page] = np.array(
            (
                rows_per_page(pages, page),
                videos_per_page(pages, page),
                distinct_videos(pages, page),
                duplicate_share(pages, page),
                row_types(pages, page),
                genre_entropy(pages, facts, page),
                intra_list_diversity(pages, facts, page),
                popularity(pages, facts, page),
                fresh_share(pages, facts, page),
                viewport_duplicates(pages, page),
                unlicensed_videos(pages, facts, page),
                overmature_videos(pages, facts, page),
            )
        )


@kernel
def measure_row_shares(pages: Pages, row_types: Int8Array, values: Float64Array) -> None:
    """Write the share of each row type: float64[pages, row types], NaN without rows."""
    for page in range(len(values)):
        if pages.row_starts[page] == pages.row_starts[page + 1]:
            values[page] = np.nan
            continue
        for place, row_type in enumerate(row_types):
            values[page, place] = row_share(pages, page, row_type)


@kernel
def find_cells(pages: Pages, page: int) -> tuple[int, int]:
    """Return the first cell of a page, and the one behind its last."""
    first, last = pages.row_starts[page], pages.row_starts[page + 1]
    return pages.cell_starts[first], pages.cell_starts[last]


@kernel
def count_bits(bits: np.uint64) -> int:
    """Return how many bits are set. Source: Warren, Hacker's Delight, section 5-1."""
    pairs = bits - ((bits >> np.uint64(1)) & np.uint64(0x5555555555555555))
    quads = (pairs & np.uint64(0x3333333333333333)) + (
        (pairs >> np.uint64(2)) & np.uint64(0x3333333333333333)
    )
    octets = (quads + (quads >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return int((octets * np.uint64(0x0101010101010101)) >> np.uint64(56))
