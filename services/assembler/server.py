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
from services.page.canonical import page_message
from services.page.model import PageRequests
from services.page.wire import check_device, decode_batch
from services.shared_facts.facts import SharedFacts, connect_facts
from services.shared_facts.pool import StagePool

if TYPE_CHECKING:
    from collections.abc import Mapping

    import grpc

    from core.errors import PagesimError
    from timetravel.facts.model import JsonValue


_FIELDS = {"profile_ids": "profile_id", "as_of_micros": "as_of", "devices": "device"}


class AssemblerServicer(assembler_pb2_grpc.PageAssemblerServiceServicer):
    """Assemble one page for people, or many for generators."""

    def __init__(self, stages: StagePool[AssemblerStage]) -> None:
        self._stages = stages

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
        """Answer with one page, its video titles and its lineage."""
        del context
        stack = current_context()
        as_of = stack.as_of_micros
        if request.HasField("as_of"):
            as_of = decode_timestamp(request.as_of, field="as_of")
        check_device(request.device, field="device")
        stage = self._stages.stage()
        pages = stage.assemble(
            PageRequests.of([(request.profile_id, as_of, request.device)]),
            latest_as_of_micros=stack.as_of_micros,
        )
        for failure in pages.failures:
            if failure.cause is not None:
                raise _of_one_page(failure.cause)
        page = page_message(pages.page(0))
        titles = iter(stage.titles(pages.video_ids, as_of))
        for row in page.rows:
            for video in row.videos:
                video.title = next(titles)
        lineage = timetravel_pb2.Lineage(snapshot=stack.snapshot or 0)
        newest = int(pages.newest_known_at[0])
        if newest > EARLIEST_MICROS:
            lineage.newest_known_at.CopyFrom(encode_timestamp(newest))
        return assembler_pb2.GetPageResponse(
            page=page, lineage=lineage, page_digest=pages.digests[0]
        )


def _of_one_page(error: PagesimError) -> PagesimError:
    """Return an error about columns of a batch as one about fields of GetPageRequest."""
    field = _FIELDS.get(error.field, error.field)
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

    servicer = AssemblerServicer(StagePool(build))
    assembler_pb2_grpc.add_PageAssemblerServiceServicer_to_server(servicer, server)
