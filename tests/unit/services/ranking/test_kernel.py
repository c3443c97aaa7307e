"""Sorting, and rows cut to their best, against plain sorting of everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ranking.columns import Kept, Ladders, Pages, RowPlan, Videos, Weights
from services.ranking.kernel import (
    FROM_MASK,
    ROWS_OF_A_MASK,
    build_ladder,
    make_scratch,
    rank_pages,
    sort_descending,
)
from services.ranking.view import pack_members

if TYPE_CHECKING:
    from core.arrays import Float32Array

SCORES = st.lists(
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(lambda score: score + 0.0),
    min_size=1,
    max_size=60,
)
HALF_LIFE = 1000
UNKNOWN = -(2**63)


def sort(scores: Float32Array, positions: list[int]) -> list[int]:
    sorted_positions = np.array(positions, np.int32)
    scratch = make_scratch(len(scores), len(scores), 0)
    sort_descending(scores, sorted_positions, scratch)
    return [int(position) for position in sorted_positions]


@settings(deadline=None)
@given(SCORES, st.data())
def test_positions_are_sorted_by_score_then_position(
    scores: list[float], data: st.DataObject
) -> None:
    chosen = data.draw(st.lists(st.integers(0, len(scores) - 1), unique=True))
    assert sort(np.array(scores, np.float32), chosen) == sorted(
        chosen, key=lambda place: (-scores[place], place)
    )


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 1500), st.integers(1, 400))
def test_many_positions_are_sorted_likewise(seed: int, count: int, distinct: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.choice(random.normal(size=distinct).astype(np.float32), count)
    positions = random.permutation(count).tolist()
    expected = sorted(positions, key=lambda place: (-scores[place], place))
    assert sort(scores, positions) == expected


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    videos=st.integers(1, 200),
    contents=st.integers(1, 12),
    rows=st.sampled_from([1, 4, ROWS_OF_A_MASK + 1]),
    depth=st.integers(1, 20),
    freshness=st.sampled_from([0.0, 0.3, -0.3, 50.0]),
    spread=st.sampled_from([0.0, 0.01, 1.0, 1e6, 1e30]),
    since=st.sampled_from([0, 500, 900]),
    later=st.sampled_from([0, 100, 100_000]),
)
def test_every_row_keeps_the_best_of_its_eligible_videos(
    seed: int,
    videos: int,
    contents: int,
    rows: int,
    depth: int,
    freshness: float,
    spread: float,
    since: int,
    later: int,
) -> None:
    random = np.random.default_rng(seed)
    pages, fields = 3, 5
    content_of = random.integers(0, contents, videos).astype(np.int32)
    is_member = random.random((contents, rows)) < random.random()
    kinds = max(1, videos // int(random.integers(1, 4)))
    bases = random.choice(random.normal(size=kinds), (2, videos)) * spread
    offsets = np.arange(contents + 1, dtype=np.int32) * 2
    catalogue = Videos(
        added_at=random.choice([UNKNOWN, 0, 450, 900, 2000], videos).astype(np.int64),
        contents=content_of,
        affinity_offsets=offsets,
        affinity_fields=random.integers(0, fields, 2 * contents).astype(np.int32),
        taste_offsets=offsets,
        taste_fields=random.integers(0, fields, 2 * contents).astype(np.int32),
        taste_values=random.random(contents).astype(np.float32),
    )
    weights = Weights(
        np.float32(0.6), np.float32(2.0), np.float32(freshness), np.float64(HALF_LIFE)
    )
    asked = Pages(
        as_of=since + random.integers(0, later + 1, pages),
        bitmaps=random.integers(0, 256, (pages, (videos + 7) // 8)).astype(np.uint8),
        base=bases.astype(np.float32),
        base_of=random.integers(0, 2, pages),
        affinity=random.normal(size=(pages, fields)).astype(np.float32),
        taste=random.normal(size=(pages, fields)).astype(np.float32),
        seen_starts=np.zeros(pages + 1, np.int64),
        seen=np.empty(0, np.int32),
    )
    ladders = Ladders(
        starts=np.empty(contents + 1, np.int32),
        order=np.empty((2, videos), np.int32),
        bounds=np.empty((2, videos), np.float32),
        since=np.full(2, since, np.int64),
        largest=np.empty(2, np.float64),
    )
    for base in range(2):
        ladders.largest[base] = build_ladder(
            asked.base[base],
            catalogue,
            weights,
            since,
            ladders.starts,
            ladders.order[base],
            ladders.bounds[base],
        )
    plan = RowPlan(
        sources=np.full(rows, FROM_MASK, np.int64),
        by_model=np.ones(rows, np.bool_),
        limits=np.full(rows, depth, np.int64),
        priors=np.zeros(rows, np.float32),
        seen=np.ones(rows, np.int64),
        members=pack_members(is_member),
        order_of=np.full((pages, rows), -1, np.int64),
        order_offsets=np.zeros(1, np.int64),
        order_positions=np.empty(0, np.int32),
        given_starts=np.zeros(pages * rows + 1, np.int64),
        given_positions=np.empty(0, np.int32),
    )
    kept = Kept(
        counts=np.zeros((pages, rows), np.int32),
        positions=np.empty(pages * rows * depth, np.int32),
        scores=np.empty(pages * rows * depth, np.float32),
        row_scores=np.empty((pages, rows), np.float32),
    )
    size, bad_page = rank_pages(asked, catalogue, weights, ladders, plan, depth, 6, kept)
    assert bad_page == -1
    found = list(zip(kept.positions[:size].tolist(), kept.scores[:size].tolist(), strict=True))
    for page in range(pages):
        scores = [
            plain_score(asked, page, catalogue, weights, video) for video in range(videos)
        ]
        for row in range(rows):
            eligible = [
                video
                for video in range(videos)
                if asked.bitmaps[page, video // 8] >> (video % 8) & 1
                and is_member[content_of[video], row]
            ]
            best = sorted(eligible, key=lambda video: (-scores[video], video))[:depth]
            count = int(kept.counts[page, row])
            assert found[:count] == [(video, float(scores[video])) for video in best]
            found = found[count:]
    assert not found


def plain_score(
    pages: Pages, page: int, videos: Videos, weights: Weights, video: int
) -> np.float32:
    """Return a video's score, summed as documented."""
    content = videos.contents[video]
    own = slice(videos.taste_offsets[content], videos.taste_offsets[content + 1])
    affinity = match = np.float32(0)
    for field in videos.affinity_fields[own]:
        affinity += pages.affinity[page, field]
    for field in videos.taste_fields[own]:
        match += pages.taste[page, field]
    score = pages.base[pages.base_of[page], video]
    score += weights.affinity * (affinity / np.float32(2))
    score += weights.taste * (match * videos.taste_values[content])
    added_at = int(videos.added_at[video])
    if added_at != UNKNOWN:
        age = max(int(pages.as_of[page]) - added_at, 0)
        decay = np.float32(1.0 + age / HALF_LIFE)
        score += weights.freshness * (np.float32(1) / decay)
    return np.float32(score + np.float32(0))
