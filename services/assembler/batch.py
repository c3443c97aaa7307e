"""One batch of pages of one configuration, from candidates to finished columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from services.assembler.finish import finish_pages
from services.assembler.rows.labels import label_rows
from services.assembler.rows.personal_candidates import EpochPages, give
from services.assembler.rows.selection import OfferedColumns, RankedColumns, select_rows
from services.dedup.task import DedupTask
from services.errors import InvalidPages
from services.page.ranges import expand_ranges
from services.ranking.task import RankingTask, Seen
from services.shared_facts.epochs import group_by_epoch
from services.shared_facts.listing import check_same_listing
from services.shared_facts.profiles import read_history

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.arrays import BoolArray, Int64Array
    from services.assembler.rows.catalogue import AssemblerCatalogue
    from services.assembler.rows.layout import LayoutCache, PageLayout
    from services.assembler.stage_protocol import PageStages
    from services.page.model import AssembledPages, Geometry, PageRequests
    from services.ranking.task import RankedRows
    from services.shared_facts.epochs import EpochCache
    from services.shared_facts.facts import KnownConfiguration
    from services.shared_facts.profiles import Profiles
    from timetravel.reading.reader import FactReader


def assemble_batch(
    requests: PageRequests,
    profiles: Profiles,
    known: KnownConfiguration,
    reader: FactReader,
    catalogues: EpochCache[AssemblerCatalogue],
    layouts: LayoutCache,
    stages: PageStages,
) -> AssembledPages:
    """Return finished pages of known profiles on known devices.

    Raises:
        PagesimError: A page cannot be made; the batch does not tell which.
        CatalogueMismatch: The stages saw different listings.
    """
    devices = known.configuration.geometry.devices
    selection = known.configuration.row_selection
    geometries = [devices[device].geometry for device in requests.devices]
    eligibility = stages.filter(requests)
    history = read_history(reader, requests)
    epochs = [
        EpochPages(catalogue, indexes)
        for catalogue, indexes in group_by_epoch(requests.as_of_micros, catalogues.at)
    ]
    for epoch in epochs:
        check_same_listing(
            eligibility.catalogue_version,
            epoch.catalogue.catalogue_version,
            field="catalogue_version",
        )
    genres = {name for epoch in epochs for name in epoch.catalogue.genre_names}
    layout = layouts.lay_out(known.configuration, tuple(sorted(genres)))
    given = give(layout, epochs, eligibility, history)
    ranked = stages.rank(
        RankingTask(
            requests=requests,
            catalogue_version=eligibility.catalogue_version,
            bitmaps=eligibility.bitmaps,
            rows=layout.rows,
            is_given=layout.given.sources > 0,
            given_counts=given.counts,
            given_positions=given.positions,
            depth=selection.candidate_depth,
            row_score_depth=selection.row_score_depth,
            seen=Seen(eligibility.seen_counts, eligibility.seen_positions)
            if layout.shows_seen
            else Seen.nothing(len(requests)),
        )
    )
    if int(ranked.positions.max(initial=-1)) >= eligibility.video_count:
        raise InvalidPages(
            f"Ranking names a video beyond the {eligibility.video_count} of the listing.",
            remedy="Send positions in the catalogue listing.",
            field="positions",
        )
    wanted = np.array([shape.rows + selection.spare_rows for shape in geometries], np.int64)
    shown = layout.shown_at(requests.as_of_micros)
    offered = select(layout, epochs, ranked, shown, wanted)
    task = offer(requests, geometries, layout, ranked, offered)
    kept = stages.dedup(task)
    newest = np.maximum.reduce(
        [
            profiles.newest_known_at,
            history.newest_known_at,
            eligibility.newest_known_at,
            ranked.newest_known_at,
            kept.newest_known_at,
        ]
    )
    newest = np.maximum(newest, known.newest_known_at)
    for epoch in epochs:
        newest[epoch.indexes] = np.maximum(
            newest[epoch.indexes], epoch.catalogue.newest_known_at
        )
    pages = np.repeat(np.arange(len(requests)), kept.row_counts)
    rows = offered.rows[pages, kept.rows]
    labels, row_indexes = label_rows(layout, epochs, given, profiles.countries, pages, rows)
    cells = np.repeat(ranked.first[pages, rows], kept.video_counts) + kept.videos
    return finish_pages(
        requests,
        geometries,
        kept.row_counts,
        labels,
        row_indexes,
        ranked.row_scores[pages, rows],
        kept.video_counts,
        epochs[0].catalogue.video_ids[ranked.positions[cells]],
        ranked.scores[cells],
        newest,
    )


def select(
    layout: PageLayout,
    epochs: Sequence[EpochPages],
    ranked: RankedRows,
    shown: BoolArray,
    wanted: Int64Array,
) -> OfferedColumns:
    """Return the rows offered for each page.

    Args:
        layout: The rows.
        epochs: The catalogue of each page.
        ranked: What there is for each row.
        shown: bool[pages, rows], rows that the page may have at its moment.
        wanted: int64[pages], rows at most.
    """
    scores = np.where(shown, ranked.row_scores, np.float32(np.nan))
    pages, rows = ranked.counts.shape
    offered = OfferedColumns(
        counts=np.zeros(pages, np.int64),
        rows=np.zeros((pages, rows), np.int64),
        pins=np.zeros((pages, rows), np.int64),
    )
    first = ranked.first
    for epoch in epochs:
        indexes = epoch.indexes
        part = OfferedColumns(
            counts=np.zeros(len(indexes), np.int64),
            rows=np.zeros((len(indexes), rows), np.int64),
            pins=np.zeros((len(indexes), rows), np.int64),
        )
        columns = RankedColumns(
            first=first[indexes],
            counts=ranked.counts[indexes],
            positions=ranked.positions,
            row_scores=scores[indexes],
        )
        select_rows(columns, layout.rules, epoch.catalogue.genres, wanted[indexes], part)
        offered.counts[indexes] = part.counts
        offered.rows[indexes] = part.rows
        offered.pins[indexes] = part.pins
    return offered


def offer(
    requests: PageRequests,
    geometries: Sequence[Geometry],
    layout: PageLayout,
    ranked: RankedRows,
    offered: OfferedColumns,
) -> DedupTask:
    """Return the offered rows with all their candidates, as dedup asks for them."""
    is_offered = np.arange(offered.rows.shape[1]) < offered.counts[:, np.newaxis]
    pages = np.repeat(np.arange(len(requests)), offered.counts)
    rows = offered.rows[is_offered]
    counts = ranked.counts[pages, rows].astype(np.int64)
    videos = ranked.positions[expand_ranges(ranked.first[pages, rows], counts)]
    return DedupTask(
        requests=requests,
        geometries=tuple(geometries),
        row_counts=offered.counts,
        row_ids=tuple(row.row_id for row in layout.rows),
        row_indexes=rows,
        pins=offered.pins[is_offered],
        video_counts=counts,
        videos=videos.astype(np.int64),
    )
