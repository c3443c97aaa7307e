"""The request to dedup, and its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.errors import InvalidPages
from services.page.ranges import starts

if TYPE_CHECKING:
    from core.arrays import Int64Array
    from services.page.model import Geometry, PageRequests


@dataclass(frozen=True, slots=True, eq=False)
class DedupTask:
    """Offer ordered rows with spares; see `pagesim.dedup.v1.DedupRequest`.

    Args:
        requests: The pages.
        geometries: Geometry of each page.
        row_counts: int64[pages], rows offered.
        row_ids: Row ids that occur in the batch, each once.
        row_indexes: int64[rows], place of each offered row's id in `row_ids`, page-major.
        pins: int64[rows], one more than the place a row is pinned to, or 0.
        video_counts: int64[rows], candidates of each offered row.
        videos: int64[candidates], best first, concatenated; 0 or more.
    """

    requests: PageRequests
    geometries: tuple[Geometry, ...]
    row_counts: Int64Array
    row_ids: tuple[str, ...]
    row_indexes: Int64Array
    pins: Int64Array
    video_counts: Int64Array
    videos: Int64Array

    def __post_init__(self) -> None:
        pages, rows = len(self.requests), int(self.row_counts.sum())
        ids = len(self.row_ids)
        checks = {
            "geometries": len(self.geometries) == pages,
            "row_counts": len(self.row_counts) == pages,
            "row_indexes": len(self.row_indexes) == rows
            and (not rows or 0 <= self.row_indexes.min() <= self.row_indexes.max() < ids),
            "pins": len(self.pins) == rows,
            "video_counts": len(self.video_counts) == rows,
            "videos": len(self.videos) == int(self.video_counts.sum())
            and (not len(self.videos) or int(self.videos.min()) >= 0),
        }
        for field, holds in checks.items():
            if not holds:
                raise InvalidPages(
                    f"{field} does not fit {pages} pages of {rows} offered rows.",
                    remedy="Send columns as the proto documents them.",
                    field=field,
                )

    @property
    def row_starts(self) -> Int64Array:
        """Return int64[pages + 1], where the offered rows of each page begin."""
        return starts(self.row_counts)

    @property
    def video_starts(self) -> Int64Array:
        """Return int64[rows + 1], where the candidates of each offered row begin."""
        return starts(self.video_counts)


@dataclass(frozen=True, slots=True, eq=False)
class KeptRows:
    """Say what stays on each page; see `pagesim.dedup.v1.DedupResponse`.

    Args:
        row_counts: int64[pages], rows kept.
        rows: int64[rows], place of each among the offered rows of its page, top to bottom.
        video_counts: int64[rows], videos kept.
        videos: int64[videos], place of each among the candidates of its row, left to right.
        newest_known_at: int64[pages] in microseconds.
    """

    row_counts: Int64Array
    rows: Int64Array
    video_counts: Int64Array
    videos: Int64Array
    newest_known_at: Int64Array

    def __post_init__(self) -> None:
        rows = int(self.row_counts.sum())
        if (
            len(self.row_counts) != len(self.newest_known_at)
            or not len(self.rows) == len(self.video_counts) == rows
            or len(self.videos) != int(self.video_counts.sum())
        ):
            raise InvalidPages(
                f"{rows} kept rows do not add up.",
                remedy="Send columns as the proto documents them.",
                field="row_counts",
            )
