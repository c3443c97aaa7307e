"""Servicer of `pagesim.dedup.v1.DedupService`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pagesim.dedup.v1 import dedup_pb2_grpc

from services.dedup.stage import DedupStage
from services.dedup.wire import decode_request, encode_response
from services.shared_facts.facts import SharedFacts, connect_facts
from services.shared_facts.pool import StagePool

if TYPE_CHECKING:
    from collections.abc import Mapping

    import grpc
    from pagesim.dedup.v1 import dedup_pb2

    from timetravel.facts.model import JsonValue


class DedupServicer(dedup_pb2_grpc.DedupServiceServicer):
    """Deduplicate batches of pages."""

    def __init__(self, stages: StagePool[DedupStage]) -> None:
        self._stages = stages

    def Dedup(
        self, request: dedup_pb2.DedupRequest, context: grpc.ServicerContext
    ) -> dedup_pb2.DedupResponse:
        """Answer with what stays on each page."""
        del context
        task = decode_request(request)
        return encode_response(self._stages.stage().dedup(task))


def add_dedup(
    server: grpc.Server, channel: grpc.Channel, overlay: Mapping[str, JsonValue]
) -> None:
    """Serve dedup over a configuration that is read through a channel."""
    reader = connect_facts(channel)

    def build() -> DedupStage:
        return DedupStage(SharedFacts(reader, configuration_overlay=overlay))

    servicer = DedupServicer(StagePool(build))
    dedup_pb2_grpc.add_DedupServiceServicer_to_server(servicer, server)
