"""Pages through a real mesh: separate processes behind Envoy, found by nothing but it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

import grpc
import pytest
from pagesim.assembler.v1 import assembler_pb2, assembler_pb2_grpc

from mesh.call.context import use_context
from mesh.client.mesh_process import MeshProcess
from mesh.serving import connect
from mesh.topology.service_process import ServiceProcess
from mesh.topology.stack import Stack
from services.assembler.client import AssemblerClient
from services.in_process import InProcessAssembler
from services.page.arguments import OVERLAY_ARGUMENT
from services.page.configuration import (
    ASSEMBLER_SERVICE,
    DEDUP_SERVICE,
    FILTERING_SERVICE,
    RANKING_SERVICE,
)
from services.page.model import PageRequests
from tests.support.pages.page_services import MODULES, open_world_store, page_baseline
from tests.support.pages.page_worlds import DAY, END, START, make_world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from services.page.model import AssembledPages
    from timetravel.facts.model import JsonValue
    from timetravel.store import Store

pytestmark = pytest.mark.integration

WORLD = make_world(23).named_by_texts()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    path = tmp_path_factory.mktemp("store") / "store.db"
    with open_world_store(WORLD, path) as opened:
        yield opened


@pytest.fixture(scope="module")
def mesh(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeshProcess]:
    with MeshProcess.start(page_baseline(store), tmp_path_factory.mktemp("mesh")) as running:
        yield running


@contextmanager
def stack_client(
    mesh: MeshProcess, store: Store, stack_id: str, *overrides: ServiceProcess
) -> Iterator[AssemblerClient]:
    """Create a stack pinned to the store's snapshot; yield a client in its context."""
    stack = Stack(stack_id, END, snapshot=store.snapshot(), overrides=overrides)
    mesh.service.create_stack(stack)
    try:
        with use_context(stack.context), connect(mesh.address) as channel:
            yield AssemblerClient(channel, timeout_seconds=60)
    finally:
        mesh.service.delete_stack(stack_id)


def override(service: str, overlay: dict[str, JsonValue], directory: Path) -> ServiceProcess:
    path = directory / "overlay.json"
    path.write_text(json.dumps(overlay), encoding="utf-8")
    return ServiceProcess(service, MODULES[service], (OVERLAY_ARGUMENT, str(path)))


def some_requests() -> PageRequests:
    return PageRequests.of(
        [
            (profile_id, START + day * DAY, device)
            for profile_id in [*WORLD.profile_ids, 999_999]
            for day, device in ((3, "tv"), (17, ""), (29, "phone"))
        ]
    )


def in_process(store: Store, overlay: dict[str, JsonValue] | None = None) -> AssembledPages:
    assembler = InProcessAssembler(store.as_of(), configuration_overlay=overlay)
    return assembler.assemble(some_requests())


def test_the_mesh_gives_the_pages_of_one_process(mesh: MeshProcess, store: Store) -> None:
    with stack_client(mesh, store, "control") as client:
        pages = client.assemble(some_requests())
    alone = in_process(store)
    assert pages.digests == alone.digests
    assert pages.failures == alone.failures
    assert len(pages.failures) == 3
    assert pages.newest_known_at.tolist() == alone.newest_known_at.tolist()


@pytest.mark.parametrize(
    ("service", "overlay"),
    [
        (RANKING_SERVICE, {"ranking": {"model": "popularity"}}),
        (ASSEMBLER_SERVICE, {"row_selection": {"policy": "greedy"}}),
        (DEDUP_SERVICE, {"dedup": {"policy": "row"}}),
        (FILTERING_SERVICE, {"filtering": {"seen": "allow"}}),
    ],
)
def test_a_variant_replaces_one_service_and_changes_only_its_own_pages(
    mesh: MeshProcess,
    store: Store,
    tmp_path: Path,
    service: str,
    overlay: dict[str, JsonValue],
) -> None:
    treatment = override(service, overlay, tmp_path)
    control = in_process(store)
    with stack_client(mesh, store, "treatment", treatment) as client:
        treated = client.assemble(some_requests())
    with stack_client(mesh, store, "control") as client:
        untouched = client.assemble(some_requests())
    assert treated.digests == in_process(store, overlay).digests
    assert treated.digests != control.digests
    assert untouched.digests == control.digests


def test_one_page_comes_with_titles(mesh: MeshProcess, store: Store) -> None:
    with stack_client(mesh, store, "reader") as client:
        page = client.get_page(WORLD.profile_ids[1])
        with pytest.raises(grpc.RpcError) as refused:
            client.get_page(999_999)
    assert all(video.title for row in page.rows for video in row.videos)
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


def test_one_page_is_asked_for_and_told_by_texts(mesh: MeshProcess, store: Store) -> None:
    stack = Stack("by-texts", END, snapshot=store.snapshot())
    mesh.service.create_stack(stack)
    try:
        with use_context(stack.context), connect(mesh.address) as channel:
            stub = assembler_pb2_grpc.PageAssemblerServiceStub(channel)
            page = stub.GetPage(assembler_pb2.GetPageRequest(external_id="member 1001")).page
            with pytest.raises(grpc.RpcError) as refused:
                stub.GetPage(assembler_pb2.GetPageRequest(external_id="Member 1001"))
    finally:
        mesh.service.delete_stack("by-texts")
    assert page.external_id == "member 1001"
    for video in (video for row in page.rows for video in row.videos):
        assert video.external_id == f"film {video.title.removeprefix('Title ')}"
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    assert "no profile 'Member 1001'" in (refused.value.details() or "")


def test_a_stack_that_is_gone_is_no_fault_of_a_page(mesh: MeshProcess, store: Store) -> None:
    with stack_client(mesh, store, "short-lived") as client:
        client.get_page(WORLD.profile_ids[1])
    stack = Stack("short-lived", END, snapshot=store.snapshot())
    with (
        use_context(stack.context),
        connect(mesh.address) as channel,
        pytest.raises(grpc.RpcError) as refused,
    ):
        AssemblerClient(channel).assemble(some_requests())
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
