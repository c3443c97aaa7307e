"""The generator: what an outage kept is asked for again, what is refused is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc

from experiments.generation.generator import cut_batches, generate_pages
from experiments.generation.outages import Patience, StackHealth
from mesh.call.context import CallContext, current_context, use_context
from services.in_process import InProcessAssembler
from tests.support.pages.page_keys import keys_of, rows_of
from tests.support.pages.page_worlds import DAY, START, make_world

if TYPE_CHECKING:
    from experiments.scope.page_keys import PageKeys
    from services.page.model import AssembledPages, PageRequests

UNDISTURBED = Patience(StackHealth, wait=lambda _seconds: None)
CONTEXT = CallContext(stack="trial", as_of_micros=START + 30 * DAY)
WORLD = make_world(3)
KEYS = keys_of(
    (START + 20 * DAY + number, WORLD.profile_ids[number % 3], "tv") for number in range(7)
)


class Refusal(grpc.RpcError):
    """A failed call."""

    def __init__(self, status: grpc.StatusCode) -> None:
        self.status = status

    def code(self) -> grpc.StatusCode:
        return self.status

    def details(self) -> str:
        return "injected"

    def trailing_metadata(self) -> tuple[()]:
        return ()


class FaultyAssembler:
    """Makes pages in process, after failing as told."""

    def __init__(self, faults: list[grpc.StatusCode]) -> None:
        self.assembler = InProcessAssembler(WORLD.reader())
        self.faults = faults
        self.stacks: list[str] = []

    def assemble(self, requests: PageRequests) -> AssembledPages:
        self.stacks.append(current_context().stack)
        if self.faults:
            raise Refusal(self.faults.pop())
        return self.assembler.assemble(requests)


def generate(
    assembler: FaultyAssembler, batch_pages: int, in_flight: int
) -> list[tuple[PageKeys, AssembledPages]]:
    batches = enumerate(cut_batches(KEYS, batch_pages))
    made = list(generate_pages(assembler, batches, in_flight, UNDISTURBED))
    assert [number for number, _, _ in made] == list(range(len(made)))
    return [(keys, pages) for _, keys, pages in made]


def test_batches_come_back_in_the_order_asked_with_the_context_of_the_stack() -> None:
    assembler = FaultyAssembler([])
    with use_context(CONTEXT):
        batches = generate(assembler, 2, 2)
    assert [row for keys, _ in batches for row in rows_of(keys)] == rows_of(KEYS)
    assert [len(pages) for _, pages in batches] == [2, 2, 2, 1]
    assert set(assembler.stacks) == {"trial"}


def test_a_batch_that_an_outage_kept_is_asked_for_again() -> None:
    assembler = FaultyAssembler([grpc.StatusCode.UNAVAILABLE] * 3)
    with use_context(CONTEXT):
        batches = generate(assembler, 7, 1)
    assert not batches[0][1].failures
    assert len(assembler.stacks) == 4


def test_a_batch_refused_for_good_is_counted_page_by_page_and_the_rest_is_made() -> None:
    assembler = FaultyAssembler([grpc.StatusCode.INTERNAL])
    with use_context(CONTEXT):
        batches = generate(assembler, 4, 1)
    refused, made = (pages for _, pages in batches)
    assert [(one.index, one.code, one.message) for one in refused.failures] == [
        (index, grpc.StatusCode.INTERNAL, "injected") for index in range(4)
    ]
    assert not made.failures
