"""Runs metrics over nested plain pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa
import pytest

from core.kernel import kernel_array
from experiments.metrics.definitions.columns import (
    NO_LIMIT,
    NOT_ADDED,
    UNRATED,
    Facts,
    Played,
)
from experiments.metrics.definitions.similarity import Scratch
from experiments.metrics.inputs.encoding import ROWS_SCHEMA, PageTable, encode_pages
from experiments.metrics.inputs.facts import mask_genres
from experiments.metrics.values import compare_pages, measure_pages
from services.page.ranges import starts
from tests.unit.experiments.metrics.plain_metrics import PlainVideo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.arrays import Float64Array
    from tests.unit.experiments.metrics.plain_metrics import PlainFacts, PlainPage

Values = dict[str, dict[tuple[str, str], float]]
"""Value by metric, and by variant and page id; without those that are null."""


class Measure(Protocol):
    def __call__(
        self,
        pages: Sequence[PlainPage],
        facts: PlainFacts,
        references: Mapping[str, str] = ...,
    ) -> Values: ...


@pytest.fixture(scope="session")
def measure() -> Measure:
    def run(
        pages: Sequence[PlainPage],
        facts: PlainFacts,
        references: Mapping[str, str] | None = None,
    ) -> Values:
        by_variant: dict[str, list[PlainPage]] = {}
        for page in pages:
            by_variant.setdefault(page.variant, []).append(page)
        encoded = encode_pages([_table(own) for own in by_variant.values()])
        columns = dict(zip(by_variant, encoded.variants, strict=True))
        scratch = Scratch.make(
            row_ids=encoded.row_ids, videos=len(encoded.video_ids), deepest=encoded.deepest
        )
        values: Values = {}
        for variant, own in by_variant.items():
            known = _facts(own, facts, encoded.video_ids.tolist())
            played = _played(own, facts, encoded.video_ids.tolist())
            measured = measure_pages(columns[variant], known, played)
            reference = (references or {}).get(variant)
            if reference is not None:
                is_equal = [
                    one.digest == other.digest
                    for one, other in zip(own, by_variant[reference], strict=True)
                ]
                measured |= compare_pages(
                    columns[variant],
                    columns[reference],
                    np.array(is_equal),
                    np.ones(len(own), np.bool_),
                    scratch,
                )
            _collect(values, own, measured)
        return values

    return run


def _collect(
    values: Values, pages: Sequence[PlainPage], measured: Mapping[str, Float64Array]
) -> None:
    for name, column in measured.items():
        known = values.setdefault(name, {})
        for page, value in zip(pages, column.tolist(), strict=True):
            if value == value:  # noqa: PLR0124 - not NaN
                known[page.variant, page.page_id] = value


def _table(pages: Sequence[PlainPage]) -> PageTable:
    rows = [
        {
            "row_id": row.row_id,
            "row_type": row.row_type,
            "title": row.row_id.title(),
            "videos": list(row.videos),
        }
        for page in pages
        for row in page.rows
    ]
    return PageTable(
        row_counts=np.array([len(page.rows) for page in pages]),
        geometry=np.array([page.geometry for page in pages]),
        rows=pa.Table.from_pylist(rows, ROWS_SCHEMA),
    )


def _facts(pages: Sequence[PlainPage], facts: PlainFacts, video_ids: Sequence[int]) -> Facts:
    """Return the facts of pages; every page has a catalogue of its own, all of them alike."""
    videos = [facts.videos.get(video_id, PlainVideo()) for video_id in video_ids]
    names = sorted({genre for video in videos for genre in video.genres})
    # Every video is a content of its own.
    genres = [sorted(names.index(genre) for genre in video.genres) for video in videos]
    places = np.arange(len(pages), dtype=np.int32)

    def repeat(values: Sequence[object], dtype: type[np.generic]) -> np.ndarray:
        return kernel_array(np.tile(np.array(values, dtype), (len(pages), 1)), dtype)

    genre_starts = starts(np.array([len(own) for own in genres]))
    codes = np.array([code for own in genres for code in own], np.int32)
    return Facts(
        as_of=np.array([page.as_of for page in pages]),
        maturity_limits=np.array(
            [facts.limits.get(page.profile_id, NO_LIMIT) for page in pages]
        ),
        catalogue_of=places,
        contents=repeat(range(len(videos)), np.int32),
        genre_starts=genre_starts,
        genres=codes,
        genre_masks=mask_genres(genre_starts, codes, len(names)),
        genre_count=len(names),
        added_at=repeat(
            [NOT_ADDED if video.added_at is None else video.added_at for video in videos],
            np.int64,
        ),
        maturity=repeat(
            [UNRATED if video.maturity is None else video.maturity for video in videos],
            np.int64,
        ),
        plays_of=places,
        log_plays=repeat([np.log2(1 + video.plays) for video in videos], np.float64),
        licences_of=places,
        is_licensed=kernel_array(
            [
                [video_id in facts.licences.get(page.country, ()) for video_id in video_ids]
                for page in pages
            ],
            np.bool_,
        ),
    )


def _played(pages: Sequence[PlainPage], facts: PlainFacts, video_ids: Sequence[int]) -> Played:
    codes = {video_id: code for code, video_id in enumerate(video_ids)}
    played = [sorted(facts.played.get(page.page_id, ())) for page in pages]
    return Played(
        starts(np.array([len(own) for own in played])),
        np.array([codes.get(video_id, -1) for own in played for video_id in own], np.int32),
    )
