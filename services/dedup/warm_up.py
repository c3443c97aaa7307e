"""Loads the kernels of dedup before the first call."""

from __future__ import annotations

import numpy as np

from services.dedup.stage import DedupStage
from services.dedup.task import DedupTask
from services.page.model import Geometry
from services.shared_facts.warm_up_world import FEW_VIDEOS, ONE_PAGE, few_facts


def warm_up() -> None:
    """Dedup one small page of two rows that offer the same videos."""
    videos = np.arange(FEW_VIDEOS, dtype=np.int64)
    DedupStage(few_facts()).dedup(
        DedupTask(
            requests=ONE_PAGE,
            geometries=(Geometry(2, 2, 1, 2),),
            row_counts=np.array([2]),
            row_ids=("first", "second"),
            row_indexes=np.array([0, 1]),
            pins=np.zeros(2, np.int64),
            video_counts=np.array([FEW_VIDEOS, FEW_VIDEOS]),
            videos=np.concatenate([videos, videos]),
        )
    )
