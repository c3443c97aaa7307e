"""Two small pages to hold against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.page.model import Geometry, Page, PageRow, PageVideo, RowType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GEOMETRY = Geometry(rows=4, columns=8, viewport_rows=2, viewport_columns=3)


def page_of(rows: Mapping[str, Sequence[int]]) -> Page:
    """Return a page of rows by name, each of some videos."""
    return Page(
        profile_id=7,
        as_of_micros=1_000_000,
        device="tv",
        rows=tuple(
            PageRow(
                row_id=name,
                type=RowType.GENRE,
                title=name.title(),
                videos=tuple(PageVideo(video, 1.0, f"Film {video}") for video in videos),
                score=1.0,
            )
            for name, videos in rows.items()
        ),
        geometry=GEOMETRY,
    )


BEFORE = page_of({"drama": [1, 2, 3, 4], "crime": [5, 6, 7], "music": [8, 9]})
AFTER = page_of({"crime": [5, 7, 1], "drama": [2, 1, 20], "horror": [8, 30]})
