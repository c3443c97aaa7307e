"""The page generator: sends batches of a partition to the assembler of its stack."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import grpc
import structlog

from mesh.call.context import ContextExecutor
from services.page.model import AssembledPages, PageFailure, PageRequests

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

    from experiments.generation.outages import Patience
    from experiments.scope.scope import PageKey

_log = structlog.get_logger("experiments.generation")

Batch = tuple[tuple["PageKey", ...], AssembledPages]
"""What was asked for, and what came back."""


class Assembler(Protocol):
    """Make pages: the assembler's client, or whatever stands in for it."""

    def assemble(self, requests: PageRequests) -> AssembledPages:
        """Return the pages; those that cannot be made stand in its failures."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Say how pages are asked for: pages per batch, and batches under way at once."""

    batch_pages: int
    requests_in_flight: int


def generate_pages(
    assembler: Assembler,
    pages: Sequence[PageKey],
    pace: Pace,
    patience: Patience,
) -> Iterator[Batch]:
    """Yield the pages of a partition, batch by batch, in the order asked.

    A batch that an outage kept from being made is asked for again. One that is refused for
    good becomes failed pages with the reason: it is counted, not lost.

    Args:
        assembler: Called with the context of the stack (`mesh.call.context.use_context`).
        pages: What to make.
        pace: How much at once.
        patience: Waits while the mesh restarts what died.

    Raises:
        StackFailed: What died was not restarted in time, or is given up.
        ProcessFailed: The mesh ended.
    """
    batches = deque(
        tuple(pages[first : first + pace.batch_pages])
        for first in range(0, len(pages), pace.batch_pages)
    )
    with ContextExecutor(max_workers=pace.requests_in_flight) as executor:
        under_way: deque[tuple[tuple[PageKey, ...], Future[AssembledPages]]] = deque()
        try:
            while batches or under_way:
                while batches and len(under_way) < pace.requests_in_flight:
                    keys = batches.popleft()
                    under_way.append(
                        (keys, executor.submit(_assemble, assembler, keys, patience))
                    )
                keys, future = under_way.popleft()
                yield keys, future.result()
        finally:
            for _, future in under_way:
                future.cancel()


def _assemble(
    assembler: Assembler, keys: tuple[PageKey, ...], patience: Patience
) -> AssembledPages:
    requests = PageRequests.of([(key.profile_id, key.as_of_micros, key.device) for key in keys])
    try:
        return patience.call(lambda: assembler.assemble(requests))
    except grpc.RpcError as error:
        code, details = error.code(), error.details() or "no details"
        _log.warning("batch_refused", code=code.name, details=details)
        return AssembledPages.failed(
            requests, [PageFailure(index, code, details) for index in range(len(requests))]
        )
