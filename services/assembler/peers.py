"""The other stages, called through the mesh."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pagesim.dedup.v1 import dedup_pb2_grpc
from pagesim.filtering.v1 import filtering_pb2_grpc
from pagesim.ranking.v1 import ranking_pb2_grpc

from services.dedup import wire as dedup_wire
from services.filtering import wire as filtering_wire
from services.ranking import wire as ranking_wire
from services.shared_facts.listing import check_same_listing

if TYPE_CHECKING:
    import grpc

    from services.dedup.task import DedupTask, KeptRows
    from services.filtering.task import Eligibility
    from services.page.model import PageRequests
    from services.ranking.task import RankedRows, RankingTask


class PeerStages:
    """Filter, rank and dedup by calling the services; their answers are checked."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._filtering = filtering_pb2_grpc.FilteringServiceStub(channel)
        self._ranking = ranking_pb2_grpc.RankingServiceStub(channel)
        self._dedup = dedup_pb2_grpc.DedupServiceStub(channel)

    def filter(self, requests: PageRequests) -> Eligibility:
        """Return the eligible videos of each page."""
        response = self._filtering.Filter(filtering_wire.encode_request(requests))
        return filtering_wire.decode_response(response, len(requests))

    def rank(self, task: RankingTask) -> RankedRows:
        """Return the best videos of each row of each page."""
        response = self._ranking.Rank(ranking_wire.encode_request(task))
        check_same_listing(
            task.catalogue_version, response.catalogue_version, field="catalogue_version"
        )
        return ranking_wire.decode_response(response, task)

    def dedup(self, task: DedupTask) -> KeptRows:
        """Return what stays on each page."""
        response = self._dedup.Dedup(dedup_wire.encode_request(task))
        return dedup_wire.decode_response(response, task)
