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
from services.page.canonical import page_digest
from services.page.model import PageRequests
from services.page.wire import encode_batch
from tests.support.pages.page_worlds import DAY, END, START

if TYPE_CHECKING:
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
            self, overlay: dict[str, JsonValue] | None = None, *, pinned: bool = True
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
    assert "profile 999999" in told[1]
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
    assert "profile 999999" in error.problem


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
