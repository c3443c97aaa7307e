"""The request to ranking, and its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from services.errors import InvalidModel, InvalidPages
from services.page.ranges import members_of, starts

if TYPE_CHECKING:
    from core.arrays import BoolArray, Float32Array, Int32Array, Int64Array, UInt8Array
    from services.page.model import PageRequests, RowDefinition


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Hold videos that are left out of bitmaps only because they were seen.

    Args:
        counts: int64[pages].
        positions: int32[seen], positions in the listing, ascending within a page.
    """

    counts: Int64Array
    positions: Int32Array

    @classmethod
    def nothing(cls, pages: int) -> Seen:
        """Return that nothing was seen."""
        return cls(np.zeros(pages, np.int64), np.empty(0, np.int32))

    def take(self, pages: Int64Array) -> Seen:
        """Return what was seen by some pages, in their order."""
        return Seen(self.counts[pages], self.positions[members_of(self.counts, pages)])


@dataclass(frozen=True, slots=True, eq=False)
class RankingTask:
    """Ask for ranked rows; see `pagesim.ranking.v1.RankRequest`.

    Args:
        requests: The pages.
        catalogue_version: Digest of the listing that positions refer to.
        bitmaps: uint8[pages, ceil(videos / 8)], eligible videos.
        rows: The rows, the same for every page.
        is_given: bool[rows], whether the row's candidates are given.
        given_counts: int64[pages, rows], candidates given.
        given_positions: int32[candidates], positions in the listing, page-major.
        depth: Videos to keep per row at most.
        row_score_depth: Leading videos that make the score of a row.
        seen: Seen videos, which rows may show that do not exclude them.
    """

    requests: PageRequests
    catalogue_version: str
    bitmaps: UInt8Array
    rows: tuple[RowDefinition, ...]
    is_given: BoolArray
    given_counts: Int64Array
    given_positions: Int32Array
    depth: int
    row_score_depth: int
    seen: Seen

    def __post_init__(self) -> None:
        pages, rows = len(self.requests), len(self.rows)
        checks = {
            "eligible": len(self.bitmaps) == pages,
            "is_given": self.is_given.shape == (rows,),
            "given_counts": self.given_counts.shape == (pages, rows)
            and not bool(self.given_counts[:, ~self.is_given].any()),
            "given_positions": len(self.given_positions) == int(self.given_counts.sum()),
            "depth": self.depth >= 1,
            "row_score_depth": self.row_score_depth >= 1,
            "seen_counts": len(self.seen.counts) == pages,
            "seen_positions": len(self.seen.positions) == int(self.seen.counts.sum()),
        }
        for field, holds in checks.items():
            if not holds:
                raise InvalidPages(
                    f"{field} does not fit {pages} pages of {rows} rows.",
                    remedy="Send columns as the proto documents them.",
                    field=field,
                )

    @property
    def given_starts(self) -> Int64Array:
        """Return int64[pages x rows + 1], where the candidates of each row begin."""
        return starts(self.given_counts.ravel())


@dataclass(frozen=True, slots=True, eq=False)
class RankedRows:
    """Hold ranked rows, page-major in the order of the task.

    Args:
        catalogue_version: Digest of the listing that positions refer to.
        counts: int32[pages, rows], videos kept.
        positions: int32[videos], best first, concatenated.
        scores: float32[videos].
        row_scores: float32[pages, rows], prior included; NaN for an empty row.
        newest_known_at: int64[pages] in microseconds.
    """

    catalogue_version: str
    counts: Int32Array
    positions: Int32Array
    scores: Float32Array
    row_scores: Float32Array
    newest_known_at: Int64Array

    def __post_init__(self) -> None:
        pages = len(self.newest_known_at)
        kept = int(self.counts.sum(dtype=np.int64))
        if (
            self.counts.shape != self.row_scores.shape
            or len(self.counts) != pages
            or not len(self.positions) == len(self.scores) == kept
        ):
            raise InvalidPages(
                f"Ranked rows of {pages} pages do not add up to {kept} videos.",
                remedy="Send columns as the proto documents them.",
                field="counts",
            )
        scored = np.isfinite(self.row_scores) == (self.counts > 0)
        if not bool(scored.all()) or not bool(np.isfinite(self.scores).all()):
            raise InvalidModel(
                "A score is not a finite number, or an empty row has a score.",
                remedy="Score every kept video and every row that keeps one; NaN elsewhere.",
                field="scores",
            )

    @property
    def first(self) -> Int64Array:
        """Return int64[pages, rows], where the videos of each row begin."""
        return starts(self.counts.ravel().astype(np.int64))[:-1].reshape(self.counts.shape)
