"""Metrics of whether a page showed what the member played next.

"Played" is every different title that the member played or rated after the page, within
the engagement window (see `played`). Pages after which nothing was played have no value.

These figures say where the page had put titles that were found on *another* page, the logged
one; a page that repeats the logged page has an edge (presentation bias).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core.kernel import kernel, kernel_array
from experiments.metrics.definitions.weights import exposure, ideal_gains

if TYPE_CHECKING:
    from core.arrays import Float64Array, Int16Array, Int32Array
    from experiments.metrics.definitions.columns import Pages, Played

_NOWHERE = 2**30


class Gains(NamedTuple):
    """Say what played titles can gain on pages.

    exposures: float64[depths], of a place by its depth (row + column, from 0).
    shapes: int32[pages], the geometry of each page.
    ideals: float64[geometries, titles + 1], the best gain of so many played titles.
    """

    exposures: Float64Array
    shapes: Int32Array
    ideals: Float64Array

    @classmethod
    def of(cls, pages: Pages, played: Played) -> Gains:
        """Return the gains of pages before played titles."""
        most = int(np.diff(played.starts).max(initial=0))
        sizes = pages.geometry[:, 0].astype(np.int64) << 32 | pages.geometry[:, 1]
        known, shapes = np.unique(sizes, return_inverse=True)
        deepest = int(pages.depths.max(initial=0))
        return cls(
            exposures=exposure(1, deepest + 1)[0],
            shapes=kernel_array(shapes, np.int32),
            ideals=kernel_array(
                [
                    [0.0, *ideal_gains(size >> 32, size & 0xFFFFFFFF, most)]
                    for size in known.tolist()
                ],
                np.float64,
            ),
        )


@kernel
def recall_in_view(pages: Pages, played: Played, page: int) -> float:
    """Measure the share of the titles played next that were in view before scrolling.

    Source: Alvino and Basilico, Learning a Personalized Homepage (Netflix Technology Blog,
    2015): Recall at m by n, with the viewport as m by n.
    """
    first, last = played.starts[page], played.starts[page + 1]
    found = 0
    for video in played.videos[first:last]:
        found += find_least(pages.steps, pages, page, video) == 0
    return float(found / (last - first))


@kernel
def recall_on_page(pages: Pages, played: Played, page: int) -> float:
    """Measure the share of the titles played next that were anywhere on the page.

    Source: as for `recall_in_view`, with the whole page as m by n.
    """
    first, last = played.starts[page], played.starts[page + 1]
    found = 0
    for video in played.videos[first:last]:
        found += find_least(pages.steps, pages, page, video) < _NOWHERE
    return float(found / (last - first))


@kernel
def page_ndcg(pages: Pages, played: Played, gains: Gains, page: int) -> float:
    """Measure how near to the top left the titles played next were, against the best page.

    Each played title gains 1 / log2(row + column) of its best place, counted from 1; the sum
    is divided by that of a page of the same geometry with the played titles first along the
    anti-diagonals. Source: Jarvelin and Kekalainen, Cumulated Gain-Based Evaluation of IR
    Techniques (ACM TOIS 2002), in two dimensions.
    """
    first, last = played.starts[page], played.starts[page + 1]
    gain = 0.0
    for video in played.videos[first:last]:
        depth = find_least(pages.depths, pages, page, video)
        if depth < _NOWHERE:
            gain += gains.exposures[depth]
    return float(min(gain / gains.ideals[gains.shapes[page], last - first], 1.0))


@kernel
def scroll_effort(pages: Pages, played: Played, page: int) -> float:
    """Count the scrolls, a row down or a title across, to the first title played next.

    A page that shows none of them costs a step more than its farthest place, so that losing
    a title never looks like an improvement. Source: the number of scrolls to a play, as in
    Learning a Personalized Homepage (Netflix Technology Blog, 2015).
    """
    rows, columns, rows_in_view, columns_in_view = pages.geometry[page]
    fewest = rows - rows_in_view + columns - columns_in_view + 1
    for video in played.videos[played.starts[page] : played.starts[page + 1]]:
        fewest = min(fewest, find_least(pages.steps, pages, page, video))
    return float(fewest)


DEFINITIONS = (recall_in_view, recall_on_page, page_ndcg, scroll_effort)
"""In the order in which `measure_recall` writes their values."""


@kernel
def measure_recall(pages: Pages, played: Played, gains: Gains, values: Float64Array) -> None:
    """Write how each page showed what was played: float64[pages, definitions], or NaN."""
    for page in range(len(values)):
        has_rows = pages.row_starts[page + 1] > pages.row_starts[page]
        if has_rows and played.starts[page + 1] > played.starts[page]:
            values[page] = np.array(
                (
                    recall_in_view(pages, played, page),
                    recall_on_page(pages, played, page),
                    page_ndcg(pages, played, gains, page),
                    scroll_effort(pages, played, page),
                )
            )
        else:
            values[page] = np.nan


@kernel
def find_least(values: Int16Array, pages: Pages, page: int, video: int) -> int:
    """Return the least value of the places of a title on a page, `_NOWHERE` without one.

    Args:
        values: int16[cells], e.g. the steps to each place.
        pages: The pages.
        page: Which.
        video: Code of the title.
    """
    least = _NOWHERE
    first, last = pages.row_starts[page], pages.row_starts[page + 1]
    for cell in range(pages.cell_starts[first], pages.cell_starts[last]):
        if pages.videos[cell] == video:
            least = min(least, values[cell])
    return least
