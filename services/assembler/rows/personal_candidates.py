"""Collects the candidates that depend on the profile, for a batch of pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.kernel import kernel_array
from services.assembler.rows.candidates import Showable, give_candidates
from services.assembler.rows.personal import Events, read_events
from services.page.ranges import expand_ranges, members_of, starts
from services.shared_facts.listing import find_positions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.arrays import Int32Array, Int64Array
    from services.assembler.rows.catalogue import AssemblerCatalogue
    from services.assembler.rows.layout import PageLayout
    from services.filtering.task import Eligibility
    from timetravel.reading.reader import HistoryRows


@dataclass(frozen=True, slots=True, eq=False)
class EpochPages:
    """Hold the pages of one catalogue epoch, by their places in the batch."""

    catalogue: AssemblerCatalogue
    indexes: Int64Array


@dataclass(frozen=True, slots=True, eq=False)
class GivenCandidates:
    """Hold the candidates that depend on the profile.

    Args:
        counts: int64[pages, rows].
        positions: int32[candidates], page-major.
        seeds: int32[pages, slots], videos that the because you watched rows follow; -1 where
            there is none.
    """

    counts: Int64Array
    positions: Int32Array
    seeds: Int32Array


def give(
    layout: PageLayout,
    epochs: Sequence[EpochPages],
    eligibility: Eligibility,
    history: HistoryRows,
) -> GivenCandidates:
    """Return the given candidates of a batch."""
    counts = np.zeros((len(eligibility.bitmaps), len(layout.rows)), np.int64)
    seeds = np.full((len(eligibility.bitmaps), layout.maximum_seeds), -1, np.int32)
    parts: list[Int32Array] = []
    for epoch in epochs:
        personal = read_events(
            _take_events(history, epoch),
            len(epoch.catalogue.video_ids),
            layout.maximum_seeds,
        )
        own_counts = np.zeros((len(epoch.indexes), len(layout.rows)), np.int64)
        parts.append(
            give_candidates(
                personal,
                _take_showable(eligibility, epoch.indexes),
                layout.given,
                epoch.catalogue.contents,
                epoch.catalogue.nearest.of(personal.seeds),
                own_counts,
            )
        )
        counts[epoch.indexes] = own_counts
        seed_counts = np.diff(personal.seeds_starts)
        followed = np.arange(layout.maximum_seeds) < seed_counts[:, np.newaxis]
        own_seeds = np.full(followed.shape, -1, np.int32)
        own_seeds[followed] = personal.seeds
        seeds[epoch.indexes] = own_seeds
    order = np.argsort(np.concatenate([epoch.indexes for epoch in epochs]))
    sizes = np.concatenate([counts[epoch.indexes].sum(axis=1) for epoch in epochs])
    return GivenCandidates(
        counts=counts,
        positions=np.concatenate(parts)[members_of(sizes, order)],
        seeds=seeds,
    )


def _take_events(history: HistoryRows, epoch: EpochPages) -> Events:
    offsets = kernel_array(history.offsets, np.int64)
    counts = np.diff(offsets)[epoch.indexes]
    events = expand_ranges(offsets[epoch.indexes], counts)
    return Events(
        starts=starts(counts),
        positions=find_positions(epoch.catalogue.video_ids, history.video_ids[events]),
        kinds=history.kinds[events].astype(np.int64),
        values=history.values[events].astype(np.float32),
    )


def _take_showable(eligibility: Eligibility, indexes: Int64Array) -> Showable:
    counts = eligibility.seen_counts[indexes]
    return Showable(
        bitmaps=eligibility.bitmaps[indexes],
        seen_starts=starts(counts),
        seen=eligibility.seen_positions[members_of(eligibility.seen_counts, indexes)],
    )
