"""Dedup of pages, each by the configuration of its own moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from services.dedup.kernel import OfferedRows, PlacedRows, place_rows
from services.dedup.task import DedupTask, KeptRows
from services.page.configuration import DedupPolicy, DedupSection, family_of
from services.shared_facts.epochs import group_by_epoch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.arrays import BoolArray, Int64Array
    from services.shared_facts.facts import SharedFacts

_POLICIES = {policy: number for number, policy in enumerate(DedupPolicy)}


class DedupStage:
    """Remove repeated videos and refill what is left."""

    def __init__(self, facts: SharedFacts) -> None:
        self._facts = facts

    def dedup(self, task: DedupTask) -> KeptRows:
        """Return what stays on each page."""
        pages = len(task.requests)
        policies = np.zeros(pages, np.int64)
        newest = np.zeros(pages, np.int64)
        exempt = np.zeros((pages, len(task.row_ids)), np.bool_)
        minimum = np.ones((pages, len(task.row_ids)), np.int64)
        moments = task.requests.as_of_micros
        for known, indexes in group_by_epoch(moments, self._facts.configuration.at):
            section = known.configuration.dedup
            policies[indexes] = _POLICIES[section.policy]
            newest[indexes] = known.newest_known_at
            exempt[indexes], minimum[indexes] = row_rules(section, task.row_ids)
        page_of_row = np.repeat(np.arange(pages), task.row_counts)
        offered = OfferedRows(
            starts=task.row_starts,
            pins=task.pins,
            exempt=exempt[page_of_row, task.row_indexes],
            minimum=minimum[page_of_row, task.row_indexes],
            video_starts=task.video_starts,
            videos=task.videos,
        )
        placed = PlacedRows(
            row_counts=np.zeros(pages, np.int64),
            rows=np.empty(len(task.row_indexes), np.int64),
            video_counts=np.empty(len(task.row_indexes), np.int64),
            videos=np.empty(len(task.videos), np.int64),
        )
        rows, videos = place_rows(policies, _geometry_columns(task), offered, placed)
        return KeptRows(
            row_counts=placed.row_counts,
            rows=placed.rows[:rows],
            video_counts=placed.video_counts[:rows],
            videos=placed.videos[:videos],
            newest_known_at=newest,
        )


def row_rules(section: DedupSection, row_ids: Sequence[str]) -> tuple[BoolArray, Int64Array]:
    """Return which rows are exempt, bool[rows], and their minimum sizes, int64[rows]."""
    exempt = [bool({row_id, family_of(row_id)} & set(section.exempt)) for row_id in row_ids]
    minimum = [section.minimum_of(row_id) for row_id in row_ids]
    return np.array(exempt, np.bool_), np.array(minimum, np.int64)


def _geometry_columns(task: DedupTask) -> Int64Array:
    return np.array(
        [
            (shape.rows, shape.columns, shape.viewport_rows, shape.viewport_columns)
            for shape in task.geometries
        ],
        np.int64,
    ).reshape(-1, 4)
