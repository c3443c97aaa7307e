"""Servicer of `pagesim.filtering.v1.FilteringService`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pagesim.filtering.v1 import filtering_pb2_grpc

from services.filtering.catalogue import CATALOGUE_ATTRIBUTES
from services.filtering.stage import FilteringStage
from services.filtering.wire import decode_request, encode_response
from services.shared_facts.facts import SharedFacts, connect_facts
from services.shared_facts.pool import StagePool

if TYPE_CHECKING:
    from collections.abc import Mapping

    import grpc
    from pagesim.filtering.v1 import filtering_pb2

    from timetravel.facts.model import JsonValue


class FilteringServicer(filtering_pb2_grpc.FilteringServiceServicer):
    """Filter batches of pages."""

    def __init__(self, stages: StagePool[FilteringStage]) -> None:
        self._stages = stages

    def Filter(
        self, request: filtering_pb2.FilterRequest, context: grpc.ServicerContext
    ) -> filtering_pb2.FilterResponse:
        """Answer with the eligible videos of each page."""
        del context
        requests = decode_request(request)
        return encode_response(self._stages.stage().filter(requests))


def add_filtering(
    server: grpc.Server, channel: grpc.Channel, overlay: Mapping[str, JsonValue]
) -> None:
    """Serve filtering over facts that are read through a channel."""
    reader = connect_facts(channel)

    def build() -> FilteringStage:
        facts = SharedFacts(
            reader, attributes=CATALOGUE_ATTRIBUTES, configuration_overlay=overlay
        )
        return FilteringStage(facts)

    servicer = FilteringServicer(StagePool(build))
    filtering_pb2_grpc.add_FilteringServiceServicer_to_server(servicer, server)
