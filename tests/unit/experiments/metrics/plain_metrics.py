"""The metrics once more, in plain Python over nested pages: slow, and plain to see."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections import Counter
from dataclasses import dataclass, field

MICROS_PER_DAY = 86_400_000_000


@dataclass(frozen=True)
class PlainRow:
    row_id: str
    row_type: str
    videos: tuple[int, ...]


@dataclass(frozen=True)
class PlainPage:
    variant: str
    profile_id: int
    as_of: int
    rows: tuple[PlainRow, ...]
    country: str = "US"
    geometry: tuple[int, int, int, int] = (6, 8, 2, 3)
    stratum: str = "all"

    @property
    def page_id(self) -> str:
        return f"{self.profile_id}@{self.as_of}"

    @property
    def digest(self) -> str:
        text = repr((self.page_id, self.rows, self.geometry))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def cells(self) -> list[tuple[int, int, int]]:
        return [
            (row, column, video)
            for row, placed in enumerate(self.rows)
            for column, video in enumerate(placed.videos)
        ]

    @property
    def visible(self) -> list[int]:
        down, across = self.geometry[2:]
        return [video for row, column, video in self.cells if row < down and column < across]


@dataclass(frozen=True)
class PlainVideo:
    genres: tuple[str, ...] = ()
    plays: float = 0.0
    added_at: int | None = None
    maturity: int | None = None


@dataclass(frozen=True)
class PlainFacts:
    videos: dict[int, PlainVideo] = field(default_factory=dict)
    licences: dict[str, set[int]] = field(default_factory=dict)
    limits: dict[int, int] = field(default_factory=dict)
    played: dict[str, set[int]] = field(default_factory=dict)

    def video(self, video_id: int) -> PlainVideo:
        return self.videos.get(video_id, PlainVideo())


def rows_per_page(page: PlainPage, _facts: PlainFacts) -> float:
    return float(len(page.rows))


def videos_per_page(page: PlainPage, _facts: PlainFacts) -> float:
    return float(len(page.cells))


def distinct_videos(page: PlainPage, _facts: PlainFacts) -> float:
    return float(len({video for _, _, video in page.cells}))


def duplicate_share(page: PlainPage, facts: PlainFacts) -> float:
    return 1 - distinct_videos(page, facts) / videos_per_page(page, facts)


def viewport_duplicates(page: PlainPage, _facts: PlainFacts) -> float:
    return float(len(page.visible) - len(set(page.visible)))


def row_types(page: PlainPage, _facts: PlainFacts) -> float:
    return float(len({row.row_type for row in page.rows}))


def row_share(page: PlainPage, row_type: str) -> float:
    return sum(row.row_type == row_type for row in page.rows) / len(page.rows)


def genre_entropy(page: PlainPage, facts: PlainFacts) -> float | None:
    weights: Counter[str] = Counter()
    for _, _, video in page.cells:
        genres = facts.video(video).genres
        for genre in genres:
            weights[genre] += 1 / len(genres)  # type: ignore[assignment]  # a weighed count
    if not weights:
        return None
    shares = [weight / sum(weights.values()) for weight in weights.values()]
    return max(-sum(share * math.log2(share) for share in shares), 0.0)


def intra_list_diversity(page: PlainPage, facts: PlainFacts) -> float | None:
    distances = []
    for one, other in itertools.combinations(sorted(set(page.visible)), 2):
        left, right = set(facts.video(one).genres), set(facts.video(other).genres)
        if left and right:
            distances.append(1 - len(left & right) / len(left | right))
    return sum(distances) / len(distances) if distances else None


def popularity(page: PlainPage, facts: PlainFacts) -> float:
    logs = [math.log2(1 + facts.video(video).plays) for _, _, video in page.cells]
    return sum(logs) / len(logs)


def fresh_share(page: PlainPage, facts: PlainFacts) -> float:
    fresh = 0
    for _, _, video in page.cells:
        added_at = facts.video(video).added_at
        fresh += added_at is not None and 0 <= page.as_of - added_at <= 90 * MICROS_PER_DAY
    return fresh / len(page.cells)


def unlicensed_videos(page: PlainPage, facts: PlainFacts) -> float:
    licensed = facts.licences.get(page.country, set())
    return float(sum(video not in licensed for _, _, video in page.cells))


def overmature_videos(page: PlainPage, facts: PlainFacts) -> float:
    limit = facts.limits.get(page.profile_id)
    found = 0
    for _, _, video in page.cells:
        maturity = facts.video(video).maturity
        found += limit is not None and maturity is not None and maturity > limit
    return float(found)


def recall_in_view(page: PlainPage, facts: PlainFacts) -> float | None:
    played = facts.played.get(page.page_id, set())
    return len(played & set(page.visible)) / len(played) if played else None


def recall_on_page(page: PlainPage, facts: PlainFacts) -> float | None:
    played = facts.played.get(page.page_id, set())
    shown = {video for _, _, video in page.cells}
    return len(played & shown) / len(played) if played else None


def page_ndcg(page: PlainPage, facts: PlainFacts) -> float | None:
    played = facts.played.get(page.page_id, set())
    if not played:
        return None
    gain = 0.0
    for video in played:
        places = [1 / math.log2(r + c + 2) for r, c, placed in page.cells if placed == video]
        gain += max(places, default=0.0)
    rows, columns = page.geometry[:2]
    grid = sorted(
        (1 / math.log2(r + c + 2) for r in range(rows) for c in range(columns)), reverse=True
    )
    return min(gain / sum(grid[: len(played)]), 1.0)


def scroll_effort(page: PlainPage, facts: PlainFacts) -> float | None:
    played = facts.played.get(page.page_id, set())
    if not played:
        return None
    rows, columns, down, across = page.geometry
    steps = [
        max(0, r - down + 1) + max(0, c - across + 1)
        for r, c, video in page.cells
        if video in played
    ]
    return float(min(steps, default=rows - down + columns - across + 1))


PAGE_ORACLES = (
    rows_per_page,
    videos_per_page,
    distinct_videos,
    duplicate_share,
    viewport_duplicates,
    row_types,
    genre_entropy,
    intra_list_diversity,
    popularity,
    fresh_share,
    unlicensed_videos,
    overmature_videos,
    recall_in_view,
    recall_on_page,
    page_ndcg,
    scroll_effort,
)


def rank_biased_overlap(left: list[str], right: list[str], p: float = 0.9) -> float:
    """Return Webber et al. (2010), equation 32, depth by depth."""
    shorter, longer = sorted((left, right), key=len)
    s, l = len(shorter), len(longer)  # noqa: E741 - the paper's letters

    def common(depth: int) -> int:
        return len(set(shorter[:depth]) & set(longer[:depth]))

    total = sum(common(d) / d * p**d for d in range(1, l + 1))
    total += sum(common(s) * (d - s) / (s * d) * p**d for d in range(s + 1, l + 1))
    tail = ((common(l) - common(s)) / l + common(s) / s) * p**l
    return (1 - p) / p * total + tail


def identical_pages(page: PlainPage, reference: PlainPage) -> float:
    return float(page.digest == reference.digest)


def changed_pages(page: PlainPage, reference: PlainPage) -> float:
    return float(page.rows != reference.rows)


def row_overlap(page: PlainPage, reference: PlainPage) -> float:
    return rank_biased_overlap(
        [row.row_id for row in page.rows], [row.row_id for row in reference.rows]
    )


def in_row_overlap(page: PlainPage, reference: PlainPage) -> float | None:
    others = {row.row_id: row for row in reference.rows}
    overlaps = [
        rank_biased_overlap(
            [str(video) for video in row.videos],
            [str(video) for video in others[row.row_id].videos],
        )
        for row in page.rows
        if row.row_id in others
    ]
    return sum(overlaps) / len(overlaps) if overlaps else None


def viewport_overlap(page: PlainPage, reference: PlainPage) -> float:
    def exposed(shown: PlainPage) -> Counter[int]:
        down, across = shown.geometry[2:]
        weights: Counter[int] = Counter()
        for r, c, video in shown.cells:
            if r < down and c < across:
                weights[video] += 1 / math.log2(r + c + 2)  # type: ignore[assignment]  # a weighed count
        return weights

    here, there = exposed(page), exposed(reference)
    titles = here.keys() | there.keys()
    return sum(min(here[t], there[t]) for t in titles) / sum(
        max(here[t], there[t]) for t in titles
    )


PAIR_ORACLES = (
    identical_pages,
    changed_pages,
    row_overlap,
    in_row_overlap,
    viewport_overlap,
)
