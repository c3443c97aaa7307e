"""Servicer of `pagesim.assembler.v1.PageAssemblerService`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pagesim.assembler.v1 import assembler_pb2, assembler_pb2_grpc
from pagesim.timetravel.v1 import timetravel_pb2

from core.moments import EARLIEST_MICROS
from core.timestamps import decode_timestamp, encode_timestamp
from mesh.call.context import current_context
from services.assembler.peers import PeerStages
from services.assembler.rows.catalogue import CATALOGUE_ATTRIBUTES
from services.assembler.stage import AssemblerStage
from services.assembler.wire import encode_response
from services.errors import InvalidPages
from services.page.canonical import page_message
from services.page.model import PageRequests
from services.page.wire import check_device, decode_batch
from services.shared_facts.facts import SharedFacts, connect_facts
from services.shared_facts.pool import StagePool
from timetravel.facts.model import EntityKind
from timetravel.rpc.client import TimeTravelClient

if TYPE_CHECKING:
    from collections.abc import Mapping

    import grpc
    from pagesim.page.v1 import page_pb2

    from core.errors import PagesimError
    from timetravel.facts.model import JsonValue


_FIELDS = {"profile_ids": "profile_id", "as_of_micros": "as_of", "devices": "device"}


class AssemblerServicer(assembler_pb2_grpc.PageAssemblerServiceServicer):
    """Assemble one page for people, or many for generators."""

    def __init__(self, stages: StagePool[AssemblerStage], entities: TimeTravelClient) -> None:
        self._stages = stages
        self._entities = entities

    def AssemblePages(
        self, request: assembler_pb2.AssemblePagesRequest, context: grpc.ServicerContext
    ) -> assembler_pb2.AssemblePagesResponse:
        """Answer with a batch of pages."""
        del context
        pages = self._stages.stage().assemble(
            decode_batch(request.pages), latest_as_of_micros=current_context().as_of_micros
        )
        return encode_response(pages)

    def GetPage(
        self, request: assembler_pb2.GetPageRequest, context: grpc.ServicerContext
    ) -> assembler_pb2.GetPageResponse:
        """Answer with one page, its video titles, its external ids and its lineage."""
        del context
        stack = current_context()
        profile_id = self._find_profile(request)
        as_of = stack.as_of_micros
        if request.HasField("as_of"):
            as_of = decode_timestamp(request.as_of, field="as_of")
        check_device(request.device, field="device")
        stage = self._stages.stage()
        pages = stage.assemble(
            PageRequests.of([(profile_id, as_of, request.device)]),
            latest_as_of_micros=stack.as_of_micros,
        )
        for failure in pages.failures:
            if failure.cause is not None:
                raise _of_one_page(failure.cause, request)
        page = page_message(pages.page(0))
        titles = iter(stage.titles(pages.video_ids, as_of))
        for row in page.rows:
            for video in row.videos:
                video.title = next(titles)
        self._add_external_ids(page)
        lineage = timetravel_pb2.Lineage(snapshot=stack.snapshot or 0)
        newest = int(pages.newest_known_at[0])
        if newest > EARLIEST_MICROS:
            lineage.newest_known_at.CopyFrom(encode_timestamp(newest))
        return assembler_pb2.GetPageResponse(
            page=page, lineage=lineage, page_digest=pages.digests[0]
        )

    def _find_profile(self, request: assembler_pb2.GetPageRequest) -> int:
        if not request.HasField("external_id"):
            return request.profile_id
        if request.profile_id:
            raise InvalidPages(
                f"The profile has a number, {request.profile_id}, and an external id.",
                remedy="Give one of the two.",
                field="external_id",
            )
        return self._entities.find_entity(EntityKind.PROFILE, request.external_id)

    def _add_external_ids(self, page: page_pb2.Page) -> None:
        """Say what the store was told of the profile and the videos, where that was texts."""
        profiles = self._entities.entity_texts(EntityKind.PROFILE, [page.profile_id])
        if page.profile_id in profiles:
            page.external_id = profiles[page.profile_id]
        videos = [video for row in page.rows for video in row.videos]
        numbers = sorted({video.video_id for video in videos})
        texts = self._entities.entity_texts(EntityKind.VIDEO, numbers)
        for video in videos:
            if video.video_id in texts:
                video.external_id = texts[video.video_id]


def _of_one_page(error: PagesimError, request: assembler_pb2.GetPageRequest) -> PagesimError:
    """Return an error about columns of a batch as one about fields of GetPageRequest."""
    field = _FIELDS.get(error.field, error.field)
    if request.HasField("external_id") and field == "profile_id":
        field = "external_id"
    return type(error)(error.problem, remedy=error.remedy, field=field)


def add_assembler(
    server: grpc.Server, channel: grpc.Channel, overlay: Mapping[str, JsonValue]
) -> None:
    """Serve the assembler over facts and services that are reached through a channel."""
    reader = connect_facts(channel)
    peers = PeerStages(channel)

    def build() -> AssemblerStage:
        facts = SharedFacts(
            reader, attributes=CATALOGUE_ATTRIBUTES, configuration_overlay=overlay
        )
        return AssemblerStage(facts, peers)

    servicer = AssemblerServicer(StagePool(build), TimeTravelClient(channel))
    assembler_pb2_grpc.add_PageAssemblerServiceServicer_to_server(servicer, server)
