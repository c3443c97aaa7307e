"""Computes every page metric for one slice of pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from core.kernel import kernel_array
from experiments.metrics.definitions import composition, recall, similarity
from experiments.metrics.definitions.registry import PAGE_METRICS, row_share_name
from services.page.model import RowType

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from core.arrays import BoolArray, Float64Array
    from experiments.metrics.definitions.columns import Facts, Pages, Played

PAGE_METRICS_SCHEMA: Final = pa.schema(
    [
        ("variant", pa.string()),
        ("reference", pa.string()),
        ("page_id", pa.string()),
        ("profile_id", pa.int64()),
        ("stratum", pa.string()),
        ("page_digest", pa.string()),
        *((metric.name, pa.float64()) for metric in PAGE_METRICS),
    ]
)
"""One record per page and variant. `reference` is what similarity was measured against."""

_ROW_TYPES: Final = np.array([row_type.value for row_type in RowType], np.int8)


def measure_pages(pages: Pages, facts: Facts, played: Played) -> dict[str, Float64Array]:
    """Return the values of what pages show, by metric: float64[pages], NaN without a value."""
    size = len(pages.row_starts) - 1
    shown = np.empty((size, len(composition.DEFINITIONS)))
    shares = np.empty((size, len(_ROW_TYPES)))
    recalled = np.empty((size, len(recall.DEFINITIONS)))
    composition.measure_composition(pages, facts, shown)
    composition.measure_row_shares(pages, _ROW_TYPES, shares)
    recall.measure_recall(pages, played, recall.Gains.of(pages, played), recalled)
    return {
        **_by_name(composition.DEFINITIONS, shown),
        **_by_name(recall.DEFINITIONS, recalled),
        **{
            row_share_name(row_type): shares[:, place] for place, row_type in enumerate(RowType)
        },
    }


def compare_pages(
    pages: Pages,
    others: Pages,
    is_equal: BoolArray,
    is_compared: BoolArray,
    scratch: similarity.Scratch,
) -> dict[str, Float64Array]:
    """Return how near pages are to their references, by metric; see `measure_similarity`."""
    values = np.empty((len(is_equal), len(similarity.DEFINITIONS)))
    similarity.measure_similarity(
        pages,
        others,
        kernel_array(is_equal, np.bool_),
        kernel_array(is_compared, np.bool_),
        scratch,
        values,
    )
    return _by_name(similarity.DEFINITIONS, values)


def _by_name(
    definitions: Sequence[Callable[..., object]], values: Float64Array
) -> dict[str, Float64Array]:
    names = [definition.__name__ for definition in definitions]
    return dict(zip(names, values.T, strict=True))
