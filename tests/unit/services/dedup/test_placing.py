"""Dedup's kernel against the rules in plain Python."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.dedup.kernel import (
    NONE,
    PAGE,
    ROW,
    VIEWPORT,
    OfferedRows,
    PlacedRows,
    place_rows,
)
from services.page.ranges import starts
from tests.support.effort import effort


@dataclass(frozen=True)
class Row:
    """One offered row."""

    videos: list[int]
    pin: int
    exempt: bool
    minimum: int


@dataclass(frozen=True)
class Offer:
    """One page's offered rows, and its rules."""

    policy: int
    shape: tuple[int, int, int, int]
    rows: list[Row]


@st.composite
def offers(draw: st.DrawFn) -> Offer:
    rows, columns = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    offered = draw(st.integers(0, 8))
    pins = draw(st.permutations([*range(1, 9)]))
    return Offer(
        policy=draw(st.sampled_from((NONE, ROW, VIEWPORT, PAGE))),
        shape=(rows, columns, draw(st.integers(1, rows)), draw(st.integers(1, columns))),
        rows=[
            Row(
                videos=draw(st.lists(st.integers(0, 9), max_size=8)),
                pin=pins[index] if draw(st.integers(0, 3)) == 0 else 0,
                exempt=draw(st.integers(0, 4)) == 0,
                minimum=draw(st.integers(0, 3)),
            )
            for index in range(offered)
        ],
    )


def fill_plainly(offer: Offer, row: Row, place: int, shown: set[int]) -> tuple[list[int], int]:
    """Return the places of a row's kept candidates, and how many of them are shared."""
    _, columns, viewport_rows, viewport_columns = offer.shape
    width = 0
    if offer.policy == PAGE and not row.exempt:
        width = columns
    if offer.policy == VIEWPORT and not row.exempt and place < viewport_rows:
        width = viewport_columns
    kept: list[int] = []
    inside: list[int] = []
    for candidate, video in enumerate(row.videos):
        if len(kept) < width and video not in shown and video not in inside:
            kept.append(candidate)
            inside.append(video)
    shared = len(kept)
    for candidate, video in enumerate(row.videos):
        repeats = offer.policy != NONE and video in inside
        if shared == width and len(kept) < columns and not repeats:
            kept.append(candidate)
            inside.append(video)
    return kept, shared


def place_plainly(offer: Offer) -> list[tuple[int, list[int]]]:
    """Return (row, places of its kept candidates) from top to bottom."""
    waiting = list(range(len(offer.rows)))
    shown: set[int] = set()
    placed: list[tuple[int, list[int]]] = []
    while waiting and len(placed) < offer.shape[0]:
        place = len(placed)
        pins = {index: offer.rows[index].pin for index in waiting}
        index = min(waiting, key=lambda own: (pins[own] != place + 1, pins[own], own))
        waiting.remove(index)
        row = offer.rows[index]
        kept, shared = fill_plainly(offer, row, place, shown)
        if len(kept) >= row.minimum:
            placed.append((index, kept))
            shown.update(row.videos[own] for own in kept[:shared])
    return placed


@settings(deadline=None, max_examples=effort(30, 200))
@given(st.lists(offers(), min_size=1, max_size=4))
def test_rows_are_placed_by_the_rules(batch: list[Offer]) -> None:
    rows = [row for offer in batch for row in offer.rows]
    counts = np.array([len(row.videos) for row in rows], np.int64)
    offered = OfferedRows(
        starts=starts(np.array([len(offer.rows) for offer in batch], np.int64)),
        pins=np.array([row.pin for row in rows], np.int64),
        exempt=np.array([row.exempt for row in rows], np.bool_),
        minimum=np.array([row.minimum for row in rows], np.int64),
        video_starts=starts(counts),
        videos=np.array([video for row in rows for video in row.videos], np.int64),
    )
    placed = PlacedRows(
        row_counts=np.zeros(len(batch), np.int64),
        rows=np.empty(len(rows), np.int64),
        video_counts=np.empty(len(rows), np.int64),
        videos=np.empty(int(counts.sum()), np.int64),
    )
    place_rows(
        np.array([offer.policy for offer in batch], np.int64),
        np.array([offer.shape for offer in batch], np.int64),
        offered,
        placed,
    )
    found = []
    row_at = video_at = 0
    for count in placed.row_counts.tolist():
        page = []
        for row in range(row_at, row_at + count):
            size = int(placed.video_counts[row])
            page.append(
                (int(placed.rows[row]), placed.videos[video_at : video_at + size].tolist())
            )
            video_at += size
        row_at += count
        found.append(page)
    assert found == [place_plainly(offer) for offer in batch]
