"""Loads the kernels of ranking before the first call."""

from __future__ import annotations

import numpy as np

from services.page.model import RowDefinition, RowOrdering, RowType
from services.ranking.plan import GIVEN_TYPES
from services.ranking.stage import CATALOGUE_ATTRIBUTES, RankingStage
from services.ranking.task import RankingTask, Seen
from services.shared_facts.listing import bitmap_bytes
from services.shared_facts.warm_up_world import FEW_VIDEOS, ONE_PAGE, few_facts
from timetravel.reading.reader import digest_listing


def warm_up() -> None:
    """Rank a row of each type on one small page."""
    rows = tuple(
        RowDefinition(row_type.label, row_type, "", RowOrdering.MODEL, genre="A")
        for row_type in RowType
    )
    is_given = np.array([row_type in GIVEN_TYPES for row_type in RowType])
    RankingStage(few_facts(CATALOGUE_ATTRIBUTES)).rank(
        RankingTask(
            requests=ONE_PAGE,
            catalogue_version=digest_listing(np.arange(FEW_VIDEOS, dtype=np.int64)),
            bitmaps=np.full((1, bitmap_bytes(FEW_VIDEOS)), 0xFF, np.uint8),
            rows=rows,
            is_given=is_given,
            given_counts=np.where(is_given, 2, 0)[np.newaxis].astype(np.int64),
            given_positions=np.resize(np.arange(2, dtype=np.int32), 2 * is_given.sum()),
            depth=4,
            row_score_depth=2,
            seen=Seen(np.ones(1, np.int64), np.zeros(1, np.int32)),
        )
    )
