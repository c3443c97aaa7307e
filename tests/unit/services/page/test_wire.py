"""Codecs: what is sent is what arrives, and broken columns are refused by name."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np
import pytest
from pagesim.assembler.v1 import assembler_pb2
from pagesim.dedup.v1 import dedup_pb2
from pagesim.filtering.v1 import filtering_pb2
from pagesim.page.v1 import page_pb2
from pagesim.ranking.v1 import ranking_pb2

from core.columns import encode_floats, encode_integers
from core.errors import InvalidInput
from services.assembler import wire as assembler_wire
from services.dedup import wire as dedup_wire
from services.dedup.task import DedupTask, KeptRows
from services.filtering import wire as filtering_wire
from services.filtering.task import Eligibility
from services.in_process import InProcessAssembler
from services.page.model import (
    Geometry,
    PageRequests,
    RowDefinition,
    RowOrdering,
    RowType,
    SeenPolicy,
)
from services.page.ranges import expand_ranges, members_of
from services.page.wire import MAXIMUM_PAGES, decode_batch, encode_batch
from services.ranking import wire as ranking_wire
from services.ranking.task import RankedRows, RankingTask, Seen
from tests.support.pages.page_worlds import END

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from tests.support.pages.page_worlds import PageWorld

REQUESTS = PageRequests.of([(3, 10**15, "tv"), (2**40, -5, ""), (3, 7, "tv")])
RANKING = RankingTask(
    requests=REQUESTS,
    catalogue_version="0123456789abcdef",
    bitmaps=np.array([[255, 1], [0, 0], [17, 0]], np.uint8),
    rows=(
        RowDefinition("genre:A", RowType.GENRE, "A", RowOrdering.MODEL, 0.5, "A"),
        RowDefinition("mine", RowType.MY_LIST, "Mine", RowOrdering.GIVEN),
        RowDefinition(
            *("hand", RowType.EDITORIAL, "H", RowOrdering.GIVEN),
            video_ids=(9, 2**40),
            seen=SeenPolicy.DEMOTE,
        ),
    ),
    is_given=np.array([False, True, False]),
    given_counts=np.array([[0, 2, 0], [0, 0, 0], [0, 1, 0]], np.int64),
    given_positions=np.array([8, 0, 4], np.int32),
    depth=9,
    row_score_depth=2,
    seen=Seen(np.array([1, 0, 2], np.int64), np.array([7, 1, 8], np.int32)),
)
RANKED = RankedRows(
    catalogue_version="0123456789abcdef",
    counts=np.array([[1, 2, 0], [0, 0, 0], [0, 0, 1]], np.int32),
    positions=np.array([3, 8, 0, 4], np.int32),
    scores=np.array([0.5, -1, 3, 2], np.float32),
    row_scores=np.array(
        [[1, 2, np.nan], [np.nan, np.nan, np.nan], [np.nan, np.nan, 0]], np.float32
    ),
    newest_known_at=np.array([5, -(2**63), 7], np.int64),
)
TV, OTHER = Geometry(4, 9, 2, 3), Geometry(2, 2, 1, 1)
DEDUP = DedupTask(
    requests=REQUESTS,
    geometries=(TV, OTHER, TV),
    row_counts=np.array([2, 0, 1], np.int64),
    row_ids=("new", "genre:A"),
    row_indexes=np.array([1, 0, 1], np.int64),
    pins=np.array([0, 3, 0], np.int64),
    video_counts=np.array([2, 1, 0], np.int64),
    videos=np.array([70_000, 3, 3], np.int64),
)
KEPT = KeptRows(
    row_counts=np.array([2, 0, 0], np.int64),
    rows=np.array([1, 0], np.int64),
    video_counts=np.array([1, 1], np.int64),
    videos=np.array([0, 1], np.int64),
    newest_known_at=np.array([5, 6, 7], np.int64),
)
ELIGIBILITY = Eligibility(
    catalogue_version="0123456789abcdef",
    video_count=11,
    bitmaps=RANKING.bitmaps,
    seen_counts=np.array([1, 0, 2], np.int64),
    seen_positions=np.array([10, 2, 3], np.int32),
    newest_known_at=np.array([5, 6, 7], np.int64),
)


def check_same(some: object, other: object) -> None:
    assert type(some) is type(other)
    for field in fields(some):  # type: ignore[arg-type]  # a dataclass
        mine, theirs = getattr(some, field.name), getattr(other, field.name)
        if isinstance(mine, (PageRequests, Seen)):
            check_same(mine, theirs)
        elif isinstance(mine, np.ndarray):
            assert mine.dtype == theirs.dtype, field.name
            np.testing.assert_array_equal(mine, theirs, err_msg=field.name)
        else:
            assert mine == theirs, field.name


def test_what_is_sent_is_what_arrives() -> None:
    check_same(decode_batch(encode_batch(REQUESTS)), REQUESTS)
    check_same(ranking_wire.decode_request(ranking_wire.encode_request(RANKING)), RANKING)
    ranked = ranking_wire.encode_response(RANKED)
    check_same(ranking_wire.decode_response(ranked, RANKING), RANKED)
    check_same(dedup_wire.decode_request(dedup_wire.encode_request(DEDUP)), DEDUP)
    check_same(dedup_wire.decode_response(dedup_wire.encode_response(KEPT), DEDUP), KEPT)
    eligible = filtering_wire.encode_response(ELIGIBILITY)
    check_same(filtering_wire.decode_response(eligible, 3), ELIGIBILITY)


def test_finished_pages_arrive_with_their_failures(page_world: PageWorld) -> None:
    requests = PageRequests.of([(1001, END, ""), (77, END, "tv"), (1002, END, "phone")])
    pages = InProcessAssembler(page_world.reader()).assemble(requests)
    assert len(pages.failures) == 1
    message = assembler_wire.encode_response(pages)
    check_same(assembler_wire.decode_response(message, requests), pages)


def test_a_batch_in_which_every_page_failed_arrives(page_world: PageWorld) -> None:
    requests = PageRequests.of([(77, END, "")])
    pages = InProcessAssembler(page_world.reader()).assemble(requests)
    message = assembler_wire.encode_response(pages)
    check_same(assembler_wire.decode_response(message, requests), pages)


def integers(*values: int) -> object:
    return encode_integers(values)


def changed(message: Message, **columns: object) -> Message:
    kept = {
        descriptor.name: value
        for descriptor, value in message.ListFields()
        if descriptor.name not in columns
    }
    return type(message)(**kept, **columns)


BATCH = encode_batch(REQUESTS)
RANK = ranking_wire.encode_request(RANKING)
RANK_ANSWER = ranking_wire.encode_response(RANKED)
DEDUP_QUESTION = dedup_wire.encode_request(DEDUP)
DEDUP_ANSWER = dedup_wire.encode_response(KEPT)
FILTER_ANSWER = filtering_wire.encode_response(ELIGIBILITY)


@pytest.mark.parametrize(
    ("columns", "field"),
    [
        ({"profile_ids": integers()}, "pages.profile_ids"),
        ({"profile_ids": integers(*range(MAXIMUM_PAGES + 1))}, "pages.profile_ids"),
        ({"as_of_micros": integers(1, 2)}, "pages.as_of_micros"),
        ({"device_indexes": integers(0, 1, 2)}, "pages.device_indexes"),
        ({"device_names": ["tv"]}, "pages.device_indexes"),
    ],
)
def test_a_broken_batch_is_refused(columns: dict[str, object], field: str) -> None:
    message = changed(BATCH, **columns)
    assert isinstance(message, page_pb2.PageBatch)
    with pytest.raises(InvalidInput) as refused:
        decode_batch(message)
    assert refused.value.field == field


def refused_policy() -> page_pb2.RowDefinition:
    """Return a row whose seen policy nobody knows."""
    row = page_pb2.RowDefinition()
    row.CopyFrom(RANK.rows[0])
    row.seen = 9  # type: ignore[assignment]  # as a newer client might
    return row


@pytest.mark.parametrize(
    ("columns", "field"),
    [
        ({"eligible": b"\0" * 7}, "eligible"),
        ({"is_given": b"\0"}, "is_given"),
        ({"is_given": b"\0\2\0"}, "is_given"),
        ({"is_given": b"\0\0\0"}, "given_counts"),
        ({"given_counts": integers(1)}, "given_counts"),
        ({"given_positions": integers(1)}, "given_positions"),
        ({"rows": [page_pb2.RowDefinition(row_id="a")] * 3}, "rows"),
        ({"rows": [refused_policy()] * 3}, "rows"),
        ({"depth": 0}, "depth"),
        ({"seen_counts": integers(1)}, "seen_counts"),
        ({"seen_positions": integers(1)}, "seen_positions"),
        ({"row_score_depth": 0}, "row_score_depth"),
    ],
)
def test_a_broken_ranking_request_is_refused(columns: dict[str, object], field: str) -> None:
    message = changed(RANK, **columns)
    assert isinstance(message, ranking_pb2.RankRequest)
    with pytest.raises(InvalidInput) as refused:
        ranking_wire.decode_request(message)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("columns", "field"),
    [
        ({"counts": integers(4)}, "counts"),
        ({"positions": integers(1, 2, 3, 16)}, "positions"),
        ({"scores": encode_floats([1, 2, 3])}, "scores"),
        ({"scores": encode_floats([1, 2, 3, np.nan])}, "scores"),
        ({"row_scores": encode_floats([1])}, "row_scores"),
        ({"row_scores": encode_floats([1] * 9)}, "scores"),
        ({"newest_known_at_micros": integers(1)}, "newest_known_at_micros"),
    ],
)
def test_a_broken_ranking_answer_is_refused(columns: dict[str, object], field: str) -> None:
    message = changed(RANK_ANSWER, **columns)
    assert isinstance(message, ranking_pb2.RankResponse)
    with pytest.raises(InvalidInput) as refused:
        ranking_wire.decode_response(message, RANKING)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("columns", "field"),
    [
        ({"geometries": []}, "geometries"),
        ({"geometries": [page_pb2.Geometry()] * 2}, "geometry"),
        ({"row_counts": integers(1)}, "row_counts"),
        ({"row_indexes": integers(0, 1, 2)}, "row_indexes"),
        ({"video_counts": integers(1)}, "video_counts"),
        ({"videos": integers(1)}, "videos"),
        ({"pins": integers(1)}, "pins"),
    ],
)
def test_a_broken_dedup_request_is_refused(columns: dict[str, object], field: str) -> None:
    message = changed(DEDUP_QUESTION, **columns)
    assert isinstance(message, dedup_pb2.DedupRequest)
    with pytest.raises(InvalidInput) as refused:
        dedup_wire.decode_request(message)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("columns", "field"),
    [
        ({"row_counts": integers(1)}, "row_counts"),
        ({"kept_rows": integers(0, 2)}, "kept_rows"),
        ({"kept_videos": integers(0, 2)}, "kept_videos"),
        ({"video_counts": integers(1)}, "video_counts"),
    ],
)
def test_a_dedup_answer_cannot_keep_what_was_not_offered(
    columns: dict[str, object], field: str
) -> None:
    message = changed(DEDUP_ANSWER, **columns)
    assert isinstance(message, dedup_pb2.DedupResponse)
    with pytest.raises(InvalidInput) as refused:
        dedup_wire.decode_response(message, DEDUP)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("columns", "field"),
    [
        ({"video_count": 100}, "eligible"),
        ({"seen_counts": integers(1)}, "seen_counts"),
        ({"seen_positions": integers(1, 2, 11)}, "seen_positions"),
    ],
)
def test_a_broken_filtering_answer_is_refused(columns: dict[str, object], field: str) -> None:
    message = changed(FILTER_ANSWER, **columns)
    assert isinstance(message, filtering_pb2.FilterResponse)
    with pytest.raises(InvalidInput) as refused:
        filtering_wire.decode_response(message, 3)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("columns", "field"),
    [
        ({"page_digests": b"\0"}, "page_digests"),
        ({"geometries": []}, "geometries"),
        ({"row_indexes": integers(99)}, "row_indexes"),
        ({"failures": [assembler_pb2.PageFailure(index=9, code=5)]}, "failures"),
        ({"failures": [assembler_pb2.PageFailure(index=0, code=99)]}, "failures"),
    ],
)
def test_a_broken_answer_of_the_assembler_is_refused(
    page_world: PageWorld, columns: dict[str, object], field: str
) -> None:
    requests = PageRequests.of([(1001, END, "")])
    pages = InProcessAssembler(page_world.reader()).assemble(requests)
    message = changed(assembler_wire.encode_response(pages), **columns)
    assert isinstance(message, assembler_pb2.AssemblePagesResponse)
    with pytest.raises(InvalidInput) as refused:
        assembler_wire.decode_response(message, requests)
    assert refused.value.field == field


def test_ranges_unfold_group_by_group() -> None:
    counts = np.array([2, 0, 3], np.int64)
    assert expand_ranges(np.array([5, 1, 0]), counts).tolist() == [5, 6, 0, 1, 2]
    assert members_of(counts, np.array([2, 0])).tolist() == [2, 3, 4, 0, 1]
