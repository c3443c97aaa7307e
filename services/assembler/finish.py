"""Builds finished pages from columns, and merges batches."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from services.errors import NothingToShow
from services.page.encoding import encode_pages
from services.page.model import AssembledPages, PageFailure, RowLabel
from services.page.ranges import members_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.arrays import Float32Array, Int64Array
    from services.page.model import Geometry, PageRequests


def finish_pages(
    requests: PageRequests,
    geometries: Sequence[Geometry],
    row_counts: Int64Array,
    labels: tuple[RowLabel, ...],
    row_indexes: Int64Array,
    row_scores: Float32Array,
    video_counts: Int64Array,
    video_ids: Int64Array,
    scores: Float32Array,
    newest_known_at: Int64Array,
) -> AssembledPages:
    """Return finished pages with their digests; pages without a row have failed.

    Args:
        requests: The pages.
        geometries: Geometry of each page.
        row_counts: int64[pages].
        labels: The distinct labels.
        row_indexes: int64[rows], place of each row's label in `labels`.
        row_scores: float32[rows].
        video_counts: int64[rows].
        video_ids: int64[videos].
        scores: float32[videos].
        newest_known_at: int64[pages].
    """
    pages = encode_pages(
        requests,
        geometries,
        row_counts,
        labels,
        row_indexes,
        row_scores,
        video_counts,
        video_ids,
        scores,
    )
    empty = np.flatnonzero(row_counts == 0).tolist()
    return AssembledPages(
        requests=requests,
        geometries=tuple(
            None if index in empty else geometry for index, geometry in enumerate(geometries)
        ),
        row_counts=row_counts,
        labels=labels,
        row_indexes=row_indexes,
        row_scores=row_scores,
        video_counts=video_counts,
        video_ids=video_ids,
        scores=scores,
        digests=tuple(
            "" if index in empty else hashlib.sha256(page).hexdigest()
            for index, page in enumerate(pages)
        ),
        newest_known_at=newest_known_at,
        failures=tuple(PageFailure.of(index, _nothing_to_show()) for index in empty),
    )


def merge_pages(
    requests: PageRequests, parts: Sequence[tuple[Int64Array, AssembledPages]]
) -> AssembledPages:
    """Return one batch made of parts, each with the places of its pages in the batch."""
    if len(parts) == 1:
        return parts[0][1]
    back = np.argsort(np.concatenate([indexes for indexes, _ in parts]))
    batches = [batch for _, batch in parts]
    places: dict[RowLabel, int] = {}
    row_indexes = []
    for batch in batches:
        own = [places.setdefault(label, len(places)) for label in batch.labels]
        row_indexes.append(np.array(own, np.int64)[batch.row_indexes])
    row_counts = np.concatenate([batch.row_counts for batch in batches])
    video_counts = np.concatenate([batch.video_counts for batch in batches])
    rows = members_of(row_counts, back)
    videos = members_of(video_counts, rows)
    in_order = back.tolist()
    geometries = [geometry for batch in batches for geometry in batch.geometries]
    digests = [digest for batch in batches for digest in batch.digests]
    devices = [device for batch in batches for device in batch.requests.devices]
    failures = [
        replace(failure, index=int(indexes[failure.index]))
        for indexes, batch in parts
        for failure in batch.failures
    ]
    return AssembledPages(
        requests=requests.on(tuple(devices[index] for index in in_order)),
        geometries=tuple(geometries[index] for index in in_order),
        row_counts=row_counts[back],
        labels=tuple(places),
        row_indexes=np.concatenate(row_indexes)[rows],
        row_scores=np.concatenate([batch.row_scores for batch in batches])[rows],
        video_counts=video_counts[rows],
        video_ids=np.concatenate([batch.video_ids for batch in batches])[videos],
        scores=np.concatenate([batch.scores for batch in batches])[videos],
        digests=tuple(digests[index] for index in in_order),
        newest_known_at=np.concatenate([batch.newest_known_at for batch in batches])[back],
        failures=tuple(sorted(failures, key=lambda failure: failure.index)),
    )


def _nothing_to_show() -> NothingToShow:
    return NothingToShow(
        "Not a single row is left for the profile.",
        remedy="Look at licences in its country, its maturity limit, and minimum row sizes.",
    )
