"""The registry of metrics. To add one, write its function and register it here."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from experiments.metrics.definitions import composition, recall, similarity
from experiments.metrics.definitions.coverage import coverage
from experiments.metrics.definitions.definition import (
    Direction,
    Family,
    Metric,
    Unit,
    describe,
)
from services.page.model import RowType

if TYPE_CHECKING:
    from collections.abc import Callable


def _metric(
    family: Family,
    title: str,
    definition: Callable[..., object],
    unit: Unit,
    direction: Direction = Direction.NEITHER,
    *,
    standard_name: str = "",
) -> Metric:
    return Metric(
        name=definition.__name__,
        title=title,
        standard_name=standard_name,
        family=family,
        unit=unit,
        direction=direction,
        description=describe(definition),
    )


def row_share_name(row_type: RowType) -> str:
    """Return the name of the metric of a row type."""
    return f"row_share_{row_type.label}"


def _row_share(row_type: RowType) -> Metric:
    return Metric(
        name=row_share_name(row_type),
        title=f"Rows: {row_type.label.replace('_', ' ')}",
        standard_name="",
        family=Family.COMPOSITION,
        unit=Unit.SHARE,
        direction=Direction.NEITHER,
        description=f"Which share of a page's rows is of type {row_type.label}.",
    )


_composition = partial(_metric, Family.COMPOSITION)
_similarity = partial(_metric, Family.SIMILARITY)
_recall = partial(_metric, Family.RECALL)

PAGE_METRICS: tuple[Metric, ...] = (
    _recall("Played next, in view", recall.recall_in_view, Unit.SHARE, Direction.HIGHER),
    _recall("Played next, on page", recall.recall_on_page, Unit.SHARE, Direction.HIGHER),
    _recall(
        "Nearness to top left",
        recall.page_ndcg,
        Unit.SCORE,
        Direction.HIGHER,
        standard_name="NDCG",
    ),
    _recall("Scrolls to first play", recall.scroll_effort, Unit.STEPS, Direction.LOWER),
    _similarity("Pages that look different", similarity.changed_pages, Unit.SHARE),
    _similarity("Pages equal byte for byte", similarity.identical_pages, Unit.SHARE),
    _similarity("Likeness of rows", similarity.row_overlap, Unit.SCORE, standard_name="RBO"),
    _similarity(
        "Likeness inside shared rows",
        similarity.in_row_overlap,
        Unit.SCORE,
        standard_name="RBO",
    ),
    _similarity(
        "Likeness of what is in view",
        similarity.viewport_overlap,
        Unit.SCORE,
        standard_name="weighted Jaccard",
    ),
    _composition("Rows", composition.rows_per_page, Unit.ROWS),
    _composition("Titles", composition.videos_per_page, Unit.TITLES),
    _composition("Different titles", composition.distinct_videos, Unit.TITLES),
    _composition("Repeated titles", composition.duplicate_share, Unit.SHARE, Direction.LOWER),
    _composition("Kinds of rows", composition.row_types, Unit.ROWS),
    _composition(
        "Evenness over genres",
        composition.genre_entropy,
        Unit.BITS,
        Direction.HIGHER,
        standard_name="entropy",
    ),
    _composition(
        "Variety in view",
        composition.intra_list_diversity,
        Unit.SCORE,
        Direction.HIGHER,
        standard_name="intra-list diversity",
    ),
    _composition("Popularity of titles", composition.popularity, Unit.DOUBLINGS),
    _composition("Titles added in 90 days", composition.fresh_share, Unit.SHARE),
    _composition(
        "Repeated in view", composition.viewport_duplicates, Unit.TITLES, Direction.LOWER
    ),
    _composition("Not licensed", composition.unlicensed_videos, Unit.TITLES, Direction.LOWER),
    _composition(
        "Above the maturity limit", composition.overmature_videos, Unit.TITLES, Direction.LOWER
    ),
    *(_row_share(row_type) for row_type in RowType),
)
"""Every metric of a page, in the order in which people read them."""

COVERAGE = _composition(
    "Catalogue shown", coverage, Unit.SHARE, Direction.HIGHER, standard_name="coverage"
)
"""The one metric of a set of pages: it is not a mean over pages, so it has no interval."""

METRICS: tuple[Metric, ...] = (*PAGE_METRICS, COVERAGE)
"""Every metric."""
