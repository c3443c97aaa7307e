"""The client of PageAssemblerService."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pagesim.assembler.v1 import assembler_pb2, assembler_pb2_grpc

from core.timestamps import encode_timestamp
from services.assembler.wire import decode_response
from services.page.canonical import page_of
from services.page.wire import encode_batch

if TYPE_CHECKING:
    import grpc

    from services.page.model import AssembledPages, Page, PageRequests


class AssemblerClient:
    """Assemble pages by calling the service; calls need a context (`use_context`).

    Args:
        channel: To the mesh, from `mesh.serving.connect`.
        timeout_seconds: Time a call may take; None means no limit.
    """

    def __init__(self, channel: grpc.Channel, *, timeout_seconds: float | None = None) -> None:
        self._stub = assembler_pb2_grpc.PageAssemblerServiceStub(channel)
        self._timeout_seconds = timeout_seconds

    def assemble(self, requests: PageRequests) -> AssembledPages:
        """Return the pages; those that cannot be made stand in its failures.

        Raises:
            grpc.RpcError: The call failed.
            InvalidPages: The answer does not add up.
        """
        request = assembler_pb2.AssemblePagesRequest(pages=encode_batch(requests))
        response = self._stub.AssemblePages(request, timeout=self._timeout_seconds)
        return decode_response(response, requests)

    def get_page(
        self, profile_id: int, *, as_of_micros: int | None = None, device: str = ""
    ) -> Page:
        """Return one page with video titles.

        Args:
            profile_id: Whose page.
            as_of_micros: Its moment; None means the stack's as-of.
            device: Device to make it for; empty means the configuration's default.

        Raises:
            grpc.RpcError: The call failed, or the page could not be made.
        """
        request = assembler_pb2.GetPageRequest(profile_id=profile_id, device=device)
        if as_of_micros is not None:
            request.as_of.CopyFrom(encode_timestamp(as_of_micros))
        response = self._stub.GetPage(request, timeout=self._timeout_seconds)
        return page_of(response.page)
