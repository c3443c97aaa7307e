"""Canonical bytes: written from columns as protobuf writes them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.errors import InvalidPages
from services.page.canonical import canonical_bytes, parse_page
from services.page.encoding import encode_pages
from services.page.model import (
    Geometry,
    Page,
    PageRequests,
    PageRow,
    PageVideo,
    RowLabel,
    RowType,
)

SCORES = st.floats(width=32, allow_nan=False, allow_infinity=False)
VIDEOS = st.builds(PageVideo, video_id=st.integers(0, 2**63 - 1), score=SCORES)
ROWS = st.builds(
    PageRow,
    row_id=st.text(max_size=200),
    type=st.sampled_from(RowType),
    title=st.text(max_size=20),
    videos=st.lists(VIDEOS, max_size=12).map(tuple),
    score=SCORES,
)
PAGES = st.builds(
    Page,
    profile_id=st.integers(0, 2**63 - 1),
    as_of_micros=st.integers(-(10**15), 10**16),
    device=st.text(max_size=8),
    rows=st.lists(ROWS, max_size=6).map(tuple),
    geometry=st.builds(
        Geometry,
        rows=st.integers(5, 300),
        columns=st.integers(5, 300),
        viewport_rows=st.integers(1, 5),
        viewport_columns=st.integers(1, 5),
    ),
)


@settings(deadline=None)
@given(st.lists(PAGES, min_size=1, max_size=4))
def test_columns_give_the_bytes_that_protobuf_gives(pages: list[Page]) -> None:
    rows = [row for page in pages for row in page.rows]
    videos = [video for row in rows for video in row.videos]
    labels = [RowLabel(row.row_id, row.type, row.title) for row in rows]
    encoded = encode_pages(
        PageRequests.of([(page.profile_id, page.as_of_micros, page.device) for page in pages]),
        [page.geometry for page in pages],
        np.array([len(page.rows) for page in pages], np.int64),
        labels,
        np.arange(len(rows)),
        np.array([row.score for row in rows], np.float32),
        np.array([len(row.videos) for row in rows], np.int64),
        np.array([video.video_id for video in videos], np.int64),
        np.array([video.score for video in videos], np.float32),
    )
    assert encoded == [canonical_bytes(page) for page in pages]
    assert [parse_page(page) for page in encoded] == pages


def test_video_titles_are_no_part_of_the_canonical_bytes() -> None:
    def page(title: str) -> Page:
        videos = (PageVideo(3, 1.5, title),)
        row = PageRow("new", RowType.NEW, "New", videos, 1.0)
        return Page(1, 0, "tv", (row,), Geometry(1, 1, 1, 1))

    assert canonical_bytes(page("Heat")) == canonical_bytes(page("Heat (1995)"))


@pytest.mark.parametrize("broken", [b"\xff", b"\x0a", b""])
def test_bytes_that_are_no_page_are_refused(broken: bytes) -> None:
    with pytest.raises(InvalidPages):
        parse_page(broken)
