"""Collects the candidates that depend on the profile, for a batch of pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.kernel import kernel_array
from services.assembler.rows.candidates import Showable, give_candidates
from services.assembler.rows.personal import Events, PersonalCandidates, read_events
from services.page.model import expand_ranges, members_of, starts
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
        seed_titles: Titles that the because you watched rows of each page follow.
    """

    counts: Int64Array
    positions: Int32Array
    seed_titles: tuple[tuple[str, ...], ...]


def give(
    layout: PageLayout,
    epochs: Sequence[EpochPages],
    eligibility: Eligibility,
    history: HistoryRows,
) -> GivenCandidates:
    """Return the given candidates of a batch."""
    counts = np.zeros((len(eligibility.bitmaps), len(layout.rows)), np.int64)
    titles: list[tuple[str, ...]] = [()] * len(eligibility.bitmaps)
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
        for place, index in enumerate(epoch.indexes.tolist()):
            titles[index] = _seed_titles(epoch.catalogue, personal, place)
    order = np.argsort(np.concatenate([epoch.indexes for epoch in epochs]))
    sizes = np.concatenate([counts[epoch.indexes].sum(axis=1) for epoch in epochs])
    return GivenCandidates(
        counts=counts,
        positions=np.concatenate(parts)[members_of(sizes, order)],
        seed_titles=tuple(titles),
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


def _seed_titles(
    catalogue: AssemblerCatalogue, personal: PersonalCandidates, page: int
) -> tuple[str, ...]:
    seeds = personal.seeds[personal.seeds_starts[page] : personal.seeds_starts[page + 1]]
    return tuple(catalogue.title(seed) for seed in seeds.tolist())
