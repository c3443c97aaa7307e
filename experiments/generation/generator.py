"""The page generator: sends batches of a partition to the assembler of its stack."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Protocol, TypeVar

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

Origin = TypeVar("Origin")
"""What a batch belongs to, e.g. a chunk."""


class Assembler(Protocol):
    """Make pages: the assembler's client, or whatever stands in for it."""

    def assemble(self, requests: PageRequests) -> AssembledPages:
        """Return the pages; those that cannot be made stand in its failures."""


def generate_pages(
    assembler: Assembler,
    batches: Iterator[tuple[Origin, PageKeys]],
    in_flight: int,
    patience: Patience,
) -> Iterator[tuple[Origin, PageKeys, AssembledPages]]:
    """Yield the pages of batches, in the order asked.

    A batch that an outage kept from being made is asked for again. One that is refused for
    good becomes failed pages with the reason: it is counted, not lost.

    Args:
        assembler: Called with the context of the stack (`mesh.call.context.use_context`).
        batches: What to make, and what it belongs to; taken one at a time, as calls are free.
        in_flight: Batches under way at once.
        patience: Waits while the mesh restarts what died.

    Raises:
        StackFailed: What died was not restarted in time, or is given up.
        ProcessFailed: The mesh ended.
    """
    with ContextExecutor(max_workers=in_flight) as executor:
        under_way: deque[tuple[Origin, PageKeys, Future[AssembledPages]]] = deque()
        try:
            while True:
                for origin, keys in islice(batches, in_flight - len(under_way)):
                    made = executor.submit(_assemble, assembler, keys, patience)
                    under_way.append((origin, keys, made))
                if not under_way:
                    return
                origin, keys, made = under_way.popleft()
                yield origin, keys, made.result()
        finally:
            for _, _, made in under_way:
                made.cancel()


def cut_batches(pages: PageKeys, batch_pages: int) -> Iterator[PageKeys]:
    """Yield pages, so many at a time."""
    for first in range(0, len(pages), batch_pages):
        yield pages[first : first + batch_pages]


def make_requests(keys: PageKeys) -> PageRequests:
    """Return what is asked of an assembler for pages."""
    return PageRequests(keys.profile_ids, keys.as_of_micros, tuple(keys.devices.to_pylist()))


def _assemble(assembler: Assembler, keys: PageKeys, patience: Patience) -> AssembledPages:
    requests = make_requests(keys)
    try:
        return patience.call(lambda: assembler.assemble(requests))
    except grpc.RpcError as error:
        code, details = error.code(), error.details() or "no details"
        _log.warning("batch_refused", code=code.name, details=details)
        return AssembledPages.failed(
            requests, [PageFailure(index, code, details) for index in range(len(requests))]
        )
