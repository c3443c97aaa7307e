"""The services answer over gRPC what the same stages answer in one process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from pagesim.assembler.v1 import assembler_pb2, assembler_pb2_grpc
from pagesim.ranking.v1 import ranking_pb2, ranking_pb2_grpc

from core.grpc_status import error_from_call
from services.errors import UnknownProfile
from services.in_process import InProcessAssembler
from services.page.canonical import page_digest, page_of
from services.page.model import PageRequests
from services.page.wire import encode_batch
from tests.support.pages.page_services import open_world_store
from tests.support.pages.page_worlds import DAY, END, START
from timetravel.facts.external_ids import hash_id
from timetravel.facts.model import EntityKind, EventFact, EventKind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    from services.assembler.client import AssemblerClient
    from services.page.model import AssembledPages
    from tests.support.pages.page_worlds import PageWorld
    from timetravel.facts.model import JsonValue
    from timetravel.store import Store

    class PageServices(Protocol):
        snapshot: int
        address: str
        assembler: grpc.Channel
        peers: grpc.Channel
        client: AssemblerClient

    class StartServices(Protocol):
        def __call__(
            self,
            overlay: dict[str, JsonValue] | None = None,
            *,
            pinned: bool = True,
            store: Store | None = None,
        ) -> PageServices: ...


OVERLAYS: tuple[dict[str, JsonValue], ...] = (
    {},
    {
        "row_selection": {"policy": "greedy", "pins": {"genre": 2}},
        "ranking": {"model": "popularity"},
        "dedup": {"policy": "viewport"},
        "filtering": {"seen": "allow"},
    },
)


def some_requests(world: PageWorld) -> PageRequests:
    return PageRequests.of(
        [
            (profile_id, START + day * DAY, device)
            for profile_id in world.profile_ids
            for day, device in ((2, "tv"), (9, ""), (9, "phone"), (20, "web"), (29, "tv"))
        ]
    )


def check_same_pages(some: AssembledPages, others: AssembledPages) -> None:
    assert some.digests == others.digests
    assert some.failures == others.failures
    assert some.requests.devices == others.requests.devices
    assert some.geometries == others.geometries
    np.testing.assert_array_equal(some.newest_known_at, others.newest_known_at)
    for index, geometry in enumerate(some.geometries):
        if geometry is not None:
            assert some.page(index) == others.page(index)
            assert page_digest(others.page(index)) == others.digests[index]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_both_doors_lead_to_the_same_pages(
    start_services: StartServices,
    page_store: Store,
    page_world: PageWorld,
    overlay: dict[str, JsonValue],
) -> None:
    services = start_services(overlay)
    requests = some_requests(page_world)
    in_memory = InProcessAssembler(page_world.reader(), configuration_overlay=overlay)
    in_store = InProcessAssembler(
        page_store.as_of(services.snapshot), configuration_overlay=overlay
    )
    over_grpc = services.client.assemble(requests)
    check_same_pages(in_memory.assemble(requests), over_grpc)
    check_same_pages(in_store.assemble(requests), over_grpc)
    assert len(set(over_grpc.digests)) > len(requests) // 2


def test_an_unpinned_stack_gets_the_same_pages(
    start_services: StartServices,
    page_world: PageWorld,
) -> None:
    requests = some_requests(page_world)
    pinned = start_services().client.assemble(requests)
    unpinned = start_services(pinned=False).client.assemble(requests)
    check_same_pages(unpinned, pinned)


def test_one_bad_page_fails_alone(
    start_services: StartServices,
    page_world: PageWorld,
) -> None:
    profile_id = page_world.profile_ids[1]
    good = (profile_id, START + 20 * DAY, "tv")
    requests = PageRequests.of(
        [
            good,
            (999_999, START + 20 * DAY, "tv"),
            (profile_id, START + 20 * DAY, "toaster"),
            good,
            (profile_id, END + DAY, "tv"),
            (profile_id, START - DAY, "tv"),
        ]
    )
    services = start_services()
    pages = services.client.assemble(requests)
    assert pages.digests[0] == pages.digests[3] != ""
    assert [(failure.index, failure.code.name) for failure in pages.failures] == [
        (1, "NOT_FOUND"),
        (2, "INVALID_ARGUMENT"),
        (4, "INVALID_ARGUMENT"),
        (5, "NOT_FOUND"),
    ]
    told = {failure.index: failure.message for failure in pages.failures}
    assert "Of the profile no country" in told[1]
    assert "'toaster'" in told[2]
    assert "later than" in told[4]


def test_one_page_comes_with_titles_and_lineage(
    start_services: StartServices,
    page_world: PageWorld,
) -> None:
    services = start_services()
    stub = assembler_pb2_grpc.PageAssemblerServiceStub(services.assembler)
    profile_id = page_world.profile_ids[1]
    response = stub.GetPage(assembler_pb2.GetPageRequest(profile_id=profile_id))
    batch = services.client.assemble(PageRequests.of([(profile_id, END, "")]))
    assert response.page_digest == batch.digests[0]
    assert response.page.device == "tv"
    for row in response.page.rows:
        for video in row.videos:
            assert video.title == f"Title {video.video_id}"
    assert response.lineage.snapshot == services.snapshot
    assert response.lineage.newest_known_at.ToMicroseconds() == batch.newest_known_at[0]


def test_a_page_that_cannot_be_made_is_an_error_with_its_reason(
    start_services: StartServices,
) -> None:
    services = start_services()
    with pytest.raises(grpc.RpcError) as refused:
        services.client.get_page(999_999)
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    error = error_from_call(refused.value)
    assert isinstance(error, UnknownProfile)
    assert error.field == "profile_id"
    assert "Of the profile no country" in error.problem


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"profile_id": 1000, "device": "toaster"}, "device"),
        ({"profile_id": 1000, "as_of": Timestamp(seconds=4_000_000_000)}, "as_of"),
    ],
)
def test_an_error_about_one_page_names_the_field_of_its_request(
    start_services: StartServices, asked: dict[str, Any], field: str
) -> None:
    stub = assembler_pb2_grpc.PageAssemblerServiceStub(start_services().assembler)
    with pytest.raises(grpc.RpcError) as refused:
        stub.GetPage(assembler_pb2.GetPageRequest(**asked))
    error = error_from_call(refused.value)
    assert error is not None
    assert error.field == field


def test_a_batch_whose_columns_do_not_add_up_is_refused_by_field(
    start_services: StartServices,
) -> None:
    services = start_services()
    stub = assembler_pb2_grpc.PageAssemblerServiceStub(services.assembler)
    pages = encode_batch(PageRequests.of([(1000, END, "tv"), (1001, END, "tv")]))
    pages.as_of_micros.values = pages.as_of_micros.values[:8]
    with pytest.raises(grpc.RpcError) as refused:
        stub.AssemblePages(assembler_pb2.AssemblePagesRequest(pages=pages))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "pages.as_of_micros" in (refused.value.details() or "")


def test_ranking_refuses_positions_of_another_listing(
    start_services: StartServices,
) -> None:
    services = start_services()
    stub = ranking_pb2_grpc.RankingServiceStub(services.peers)
    request = ranking_pb2.RankRequest(
        pages=encode_batch(PageRequests.of([(1000, END, "tv")])),
        catalogue_version="0123456789abcdef",
        eligible=bytes(8),
        depth=1,
        row_score_depth=1,
    )
    with pytest.raises(grpc.RpcError) as refused:
        stub.Rank(request)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "0123456789abcdef" in (refused.value.details() or "")


def test_nothing_is_assembled_without_a_context(
    start_services: StartServices,
) -> None:
    services = start_services()
    with grpc.insecure_channel(services.address) as channel:
        stub = assembler_pb2_grpc.PageAssemblerServiceStub(channel)
        with pytest.raises(grpc.RpcError) as refused:
            stub.GetPage(assembler_pb2.GetPageRequest(profile_id=1000))
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION


@pytest.fixture(scope="module")
def named_store(
    page_world: PageWorld, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """Return a store that holds the world and one more member, named by texts."""
    path = tmp_path_factory.mktemp("named") / "store.db"
    # Of one member nothing is known but a play.
    play = EventFact("lone", 7, START, EventKind.PLAY, 1, 0.5, START)
    with open_world_store(page_world.extended([play]).named_by_texts(), path) as opened:
        yield opened


def test_a_page_by_texts_is_that_of_the_numbers_and_says_the_texts(
    start_services: StartServices, named_store: Store
) -> None:
    services = start_services(store=named_store)
    stub = assembler_pb2_grpc.PageAssemblerServiceStub(services.assembler)
    by_text = stub.GetPage(assembler_pb2.GetPageRequest(external_id="member 1001"))
    number = hash_id(EntityKind.PROFILE, "member 1001")
    assert by_text == stub.GetPage(assembler_pb2.GetPageRequest(profile_id=number))
    page = by_text.page
    assert (page.profile_id, page.external_id) == (number, "member 1001")
    for video in (video for row in page.rows for video in row.videos):
        assert video.external_id == f"film {video.title.removeprefix('Title ')}"
        assert video.video_id == hash_id(EntityKind.VIDEO, video.external_id)
    assert page_digest(page_of(page)) == by_text.page_digest
    batch = services.client.assemble(PageRequests.of([(number, END, "")]))
    assert batch.digests[0] == by_text.page_digest


def test_a_page_of_a_store_with_numbers_has_no_texts(start_services: StartServices) -> None:
    stub = assembler_pb2_grpc.PageAssemblerServiceStub(start_services().assembler)
    answer = stub.GetPage(assembler_pb2.GetPageRequest(profile_id=1001))
    assert not answer.page.HasField("external_id")
    videos = [video for row in answer.page.rows for video in row.videos]
    assert videos
    assert not any(video.HasField("external_id") for video in videos)
    # A number is the name that such a store was told.
    assert answer == stub.GetPage(assembler_pb2.GetPageRequest(external_id="1001"))


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        ({"external_id": ""}, "INVALID_ARGUMENT", "An id is empty"),
        ({"external_id": "x" * 513}, "INVALID_ARGUMENT", "has 513 bytes"),
        ({"external_id": "a\0"}, "INVALID_ARGUMENT", "no store can hold"),
        (
            {"external_id": "member 1001", "profile_id": 5},
            "INVALID_ARGUMENT",
            "a number, 5, and an external id",
        ),
        ({"external_id": "Member 1001"}, "NOT_FOUND", "no profile 'Member 1001'"),
        (
            {"external_id": "member 7"},
            "NOT_FOUND",
            "Of the profile no country",
        ),
    ],
)
def test_an_error_about_a_page_by_text_is_about_the_text(
    start_services: StartServices,
    named_store: Store,
    asked: dict[str, Any],
    code: str,
    said: str,
) -> None:
    services = start_services(store=named_store)
    stub = assembler_pb2_grpc.PageAssemblerServiceStub(services.assembler)
    with pytest.raises(grpc.RpcError) as refused:
        stub.GetPage(assembler_pb2.GetPageRequest(**asked))
    assert refused.value.code().name == code
    error = error_from_call(refused.value)
    assert error is not None
    assert error.field == "external_id"
    assert error.remedy
    assert said in error.problem
    number = hash_id(EntityKind.PROFILE, asked["external_id"])
    assert str(number) not in error.problem


def test_a_text_is_refused_where_the_store_has_numbers(start_services: StartServices) -> None:
    stub = assembler_pb2_grpc.PageAssemblerServiceStub(start_services().assembler)
    with pytest.raises(grpc.RpcError) as refused:
        stub.GetPage(assembler_pb2.GetPageRequest(external_id="ann"))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "profiles have whole numbers" in (refused.value.details() or "")
