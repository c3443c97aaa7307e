"""Loads the kernels of the assembler before the first call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from services.assembler.rows.catalogue import CATALOGUE_ATTRIBUTES
from services.assembler.stage import AssemblerStage
from services.dedup.task import KeptRows
from services.filtering.task import Eligibility
from services.page.ranges import expand_ranges
from services.ranking.task import RankedRows
from services.shared_facts.listing import bitmap_bytes
from services.shared_facts.warm_up_world import FEW_VIDEOS, ONE_PAGE, few_facts
from timetravel.reading.reader import digest_listing

if TYPE_CHECKING:
    from services.dedup.task import DedupTask
    from services.page.model import PageRequests
    from services.ranking.task import RankingTask

_VERSION = digest_listing(np.arange(FEW_VIDEOS, dtype=np.int64))


def warm_up() -> None:
    """Assemble one small page, of stages that keep everything."""
    AssemblerStage(few_facts(CATALOGUE_ATTRIBUTES), _KeepEverything()).assemble(ONE_PAGE)


class _KeepEverything:
    """Find every video eligible, rank as listed, and keep every row."""

    def filter(self, requests: PageRequests) -> Eligibility:
        pages = len(requests)
        return Eligibility(
            catalogue_version=_VERSION,
            video_count=FEW_VIDEOS,
            bitmaps=np.full((pages, bitmap_bytes(FEW_VIDEOS)), 0xFF, np.uint8),
            seen_counts=np.zeros(pages, np.int64),
            seen_positions=np.empty(0, np.int32),
            newest_known_at=np.zeros(pages, np.int64),
        )

    def rank(self, task: RankingTask) -> RankedRows:
        counts = np.where(task.is_given, task.given_counts, FEW_VIDEOS).astype(np.int64)
        kept = int(counts.sum())
        return RankedRows(
            catalogue_version=_VERSION,
            counts=counts.astype(np.int32),
            positions=expand_ranges(np.zeros(counts.size, np.int64), counts.ravel()).astype(
                np.int32
            ),
            scores=np.ones(kept, np.float32),
            row_scores=np.where(counts > 0, np.float32(1), np.float32(np.nan)),
            newest_known_at=np.zeros(len(counts), np.int64),
        )

    def dedup(self, task: DedupTask) -> KeptRows:
        return KeptRows(
            row_counts=task.row_counts,
            rows=expand_ranges(np.zeros(len(task.row_counts), np.int64), task.row_counts),
            video_counts=task.video_counts,
            videos=expand_ranges(np.zeros(len(task.video_counts), np.int64), task.video_counts),
            newest_known_at=np.zeros(len(task.row_counts), np.int64),
        )
