"""The result of filtering."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.errors import InvalidPages
from services.page.ranges import starts
from services.shared_facts.listing import bitmap_bytes

if TYPE_CHECKING:
    from core.arrays import Int32Array, Int64Array, UInt8Array


@dataclass(frozen=True, slots=True, eq=False)
class Eligibility:
    """Hold the eligible videos of each page; see `pagesim.filtering.v1.FilterResponse`.

    Args:
        catalogue_version: Digest of the listing that bits and positions refer to.
        video_count: Videos in the listing.
        bitmaps: uint8[pages, ceil(videos / 8)], least significant bit first.
        seen_counts: int64[pages], videos left out only because they were seen.
        seen_positions: int32[seen], their positions, ascending within a page.
        newest_known_at: int64[pages] in microseconds.
    """

    catalogue_version: str
    video_count: int
    bitmaps: UInt8Array
    seen_counts: Int64Array
    seen_positions: Int32Array
    newest_known_at: Int64Array

    def __post_init__(self) -> None:
        pages = len(self.newest_known_at)
        seen = int(self.seen_counts.sum())
        if (
            self.bitmaps.shape != (pages, bitmap_bytes(self.video_count))
            or len(self.seen_counts) != pages
            or len(self.seen_positions) != seen
            or bool((self.seen_positions >= self.video_count).any())
        ):
            raise InvalidPages(
                f"Eligibility of {pages} pages over {self.video_count} videos does not add up.",
                remedy="Send columns as the proto documents them.",
                field="eligible",
            )

    @property
    def seen_starts(self) -> Int64Array:
        """Return int64[pages + 1], where the seen positions of each page begin."""
        return starts(self.seen_counts)
