"""The page generator: sends batches of a partition to the assembler of its stack."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Protocol, TypeAlias

import grpc
import structlog

from mesh.call.context import ContextExecutor
from services.page.model import AssembledPages, PageFailure, PageRequests

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from experiments.generation.outages import Patience
    from experiments.scope.page_keys import PageKeys

_log = structlog.get_logger("experiments.generation")

Batch: TypeAlias = "tuple[PageKeys, AssembledPages]"
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
    pages: PageKeys,
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
    batches = (
        pages[first : first + pace.batch_pages]
        for first in range(0, len(pages), pace.batch_pages)
    )
    with ContextExecutor(max_workers=pace.requests_in_flight) as executor:
        under_way: deque[tuple[PageKeys, Future[AssembledPages]]] = deque()
        try:
            while True:
                for keys in islice(batches, pace.requests_in_flight - len(under_way)):
                    under_way.append(
                        (keys, executor.submit(_assemble, assembler, keys, patience))
                    )
                if not under_way:
                    return
                keys, future = under_way.popleft()
                yield keys, future.result()
        finally:
            for _, future in under_way:
                future.cancel()


def _assemble(assembler: Assembler, keys: PageKeys, patience: Patience) -> AssembledPages:
    requests = PageRequests(
        keys.profile_ids, keys.as_of_micros, tuple(keys.devices.to_pylist())
    )
    try:
        return patience.call(lambda: assembler.assemble(requests))
    except grpc.RpcError as error:
        code, details = error.code(), error.details() or "no details"
        _log.warning("batch_refused", code=code.name, details=details)
        return AssembledPages.failed(
            requests, [PageFailure(index, code, details) for index in range(len(requests))]
        )
