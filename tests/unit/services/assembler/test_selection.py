"""Row selection against the rules in plain Python."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.assembler.rows.selection import (
    BY_SCORE,
    GREEDY,
    TEMPLATE,
    OfferedColumns,
    RankedColumns,
    SelectionRules,
    VideoGenres,
    select_rows,
)
from services.page.ranges import starts
from tests.support.effort import effort

VIDEOS, GENRES, TYPES = 12, 4, 3
F32 = np.float32


@dataclass(frozen=True)
class Case:
    """One page to select rows for; a row is (videos, score, place, type, pin)."""

    rows: list[tuple[list[int], float, int, int, int]]
    genres: list[list[int]]
    policy: int
    maximum: list[int]
    overlap_weight: float
    genre_weight: float
    saturation: int
    leading: int
    wanted: int


@st.composite
def cases(draw: st.DrawFn) -> Case:
    count = draw(st.integers(1, 7))
    places = sorted(draw(st.lists(st.integers(0, 4), min_size=count, max_size=count)))
    rows = [
        (
            draw(st.lists(st.integers(0, VIDEOS - 1), max_size=5, unique=True)),
            draw(st.sampled_from((0.25, 0.5, 1.0, 1.1, 1.3, 2.0))),
            place,
            draw(st.integers(0, TYPES - 1)),
            draw(st.sampled_from((0, 0, 0, 1, 2, 4))),
        )
        for place in places
    ]
    genre = st.lists(st.integers(0, GENRES - 1), max_size=3, unique=True).map(sorted)
    return Case(
        rows=rows,
        genres=draw(st.lists(genre, min_size=VIDEOS, max_size=VIDEOS)),
        policy=draw(st.sampled_from((TEMPLATE, BY_SCORE, GREEDY))),
        maximum=[draw(st.integers(0, 4)) for _ in range(TYPES)],
        overlap_weight=draw(st.sampled_from((0.0, 0.3, 1.0))),
        genre_weight=draw(st.sampled_from((0.0, 0.7))),
        saturation=draw(st.integers(1, 5)),
        leading=draw(st.integers(1, 4)),
        wanted=draw(st.integers(1, 8)),
    )


class Plainly:
    """Selects rows one after the other, valuing every open row at each step."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.chosen: list[int] = []

    def value(self, row: int) -> np.float32:
        case = self.case
        videos = case.rows[row][0][: case.leading]
        shown = [video for own in self.chosen for video in case.rows[own][0][: case.leading]]
        coverage = [
            sum(genre in case.genres[video] for video in shown) for genre in range(GENRES)
        ]
        repeated = F32(sum(video in shown for video in videos))
        covered = F32(0)
        for video in videos:
            total = F32(0)
            for genre in case.genres[video]:
                total += F32(min(coverage[genre], case.saturation)) / F32(case.saturation)
            if case.genres[video]:
                covered += total / F32(len(case.genres[video]))
        size = F32(len(videos))
        value = F32(case.rows[row][1]) - F32(case.overlap_weight) * (repeated / size)
        return F32(value - F32(case.genre_weight) * (covered / size))

    def key(self, row: int) -> tuple[float, ...]:
        place = self.case.rows[row][2] if self.case.policy == TEMPLATE else 0
        return (place, -float(F32(self.case.rows[row][1])), row)

    def best(self, rows: list[int]) -> int:
        if self.case.policy == GREEDY:
            return min(rows, key=lambda row: (-float(self.value(row)), row))
        return min(rows, key=self.key)

    def select(self) -> list[tuple[int, int]]:
        """Return (row, pin) from top to bottom."""
        case = self.case
        waiting = [row for row in range(len(case.rows)) if case.rows[row][0]]
        left = list(case.maximum)
        pinned: dict[int, int] = {}
        for row in waiting:
            pin = case.rows[row][4]
            rivals = [own for own in waiting if case.rows[own][4] == pin]
            if pin and row == min(rivals, key=self.key) and left[case.rows[row][3]] > 0:
                left[case.rows[row][3]] -= 1
                pinned[pin] = row
                self.chosen.append(row)
        waiting = [row for row in waiting if row not in self.chosen]
        free: list[int] = []
        while waiting and len(self.chosen) < case.wanted:
            row = self.best(waiting)
            waiting.remove(row)
            if left[case.rows[row][3]] > 0:
                left[case.rows[row][3]] -= 1
                self.chosen.append(row)
                free.append(row)
        ordered: list[tuple[int, int]] = []
        while free or pinned:
            place = len(ordered) + 1
            if place in pinned or not free:
                pin = place if place in pinned else min(pinned)
                ordered.append((pinned.pop(pin), pin))
            else:
                ordered.append((free.pop(0), 0))
        return ordered


@settings(deadline=None, max_examples=effort(40, 300))
@given(cases())
def test_rows_are_selected_by_the_rules(case: Case) -> None:
    counts = np.array([[len(videos) for videos, *_ in case.rows]], np.int32)
    ranked = RankedColumns(
        first=starts(counts[0].astype(np.int64))[:-1].reshape(1, -1),
        counts=counts,
        positions=np.array([video for videos, *_ in case.rows for video in videos], np.int32),
        row_scores=np.array(
            [[score if videos else np.nan for videos, score, *_ in case.rows]], np.float32
        ),
    )
    sizes = np.array([len(own) for own in case.genres], np.int64)
    genres = VideoGenres(
        contents=np.arange(VIDEOS, dtype=np.int32),
        offsets=starts(sizes).astype(np.int32),
        genres=np.array([genre for own in case.genres for genre in own], np.int32),
        size=GENRES,
    )
    rules = SelectionRules(
        policy=case.policy,
        places=np.array([row[2] for row in case.rows], np.int64),
        types=np.array([row[3] for row in case.rows], np.int64),
        maximum_per_type=np.array(case.maximum, np.int64),
        pins=np.array([row[4] for row in case.rows], np.int64),
        overlap_weight=F32(case.overlap_weight),
        genre_weight=F32(case.genre_weight),
        genre_saturation=case.saturation,
        leading=case.leading,
    )
    offered = OfferedColumns(
        counts=np.zeros(1, np.int64),
        rows=np.zeros((1, len(case.rows)), np.int64),
        pins=np.zeros((1, len(case.rows)), np.int64),
    )
    select_rows(ranked, rules, genres, np.array([case.wanted], np.int64), offered)
    size = int(offered.counts[0])
    found = list(
        zip(offered.rows[0, :size].tolist(), offered.pins[0, :size].tolist(), strict=True)
    )
    assert found == Plainly(case).select()
