"""Servicer of `pagesim.ranking.v1.RankingService`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pagesim.ranking.v1 import ranking_pb2_grpc

from services.ranking.stage import CATALOGUE_ATTRIBUTES, RankingStage
from services.ranking.wire import decode_request, encode_response
from services.shared_facts.facts import SharedFacts, connect_facts
from services.shared_facts.pool import StagePool

if TYPE_CHECKING:
    from collections.abc import Mapping

    import grpc
    from pagesim.ranking.v1 import ranking_pb2

    from timetravel.facts.model import JsonValue


class RankingServicer(ranking_pb2_grpc.RankingServiceServicer):
    """Rank the rows of batches of pages."""

    def __init__(self, stages: StagePool[RankingStage]) -> None:
        self._stages = stages

    def Rank(
        self, request: ranking_pb2.RankRequest, context: grpc.ServicerContext
    ) -> ranking_pb2.RankResponse:
        """Answer with the best videos of each row."""
        del context
        task = decode_request(request)
        return encode_response(self._stages.stage().rank(task))


def add_ranking(
    server: grpc.Server, channel: grpc.Channel, overlay: Mapping[str, JsonValue]
) -> None:
    """Serve ranking over facts that are read through a channel."""
    reader = connect_facts(channel)

    def build() -> RankingStage:
        facts = SharedFacts(
            reader, attributes=CATALOGUE_ATTRIBUTES, configuration_overlay=overlay
        )
        return RankingStage(facts)

    servicer = RankingServicer(StagePool(build))
    ranking_pb2_grpc.add_RankingServiceServicer_to_server(servicer, server)
