"""The generator: what passes is asked again, what does not is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import pytest

from experiments.errors import StackFailed
from experiments.generation.generator import Pace, generate_pages
from experiments.scope.scope import PageKey
from mesh.call.context import CallContext, current_context, use_context
from services.in_process import InProcessAssembler
from tests.support.pages.page_worlds import DAY, START, make_world

if TYPE_CHECKING:
    from services.page.model import AssembledPages, PageRequests

CONTEXT = CallContext(stack="trial", as_of_micros=START + 30 * DAY)
WORLD = make_world(3)
KEYS = [
    PageKey(START + 20 * DAY + number, WORLD.profile_ids[number % 3], "tv")
    for number in range(7)
]


class Refusal(grpc.RpcError):
    """A failed call."""

    def __init__(self, status: grpc.StatusCode) -> None:
        self.status = status

    def code(self) -> grpc.StatusCode:
        return self.status

    def details(self) -> str:
        return "injected"


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


def test_batches_come_back_in_the_order_asked_with_the_context_of_the_stack() -> None:
    assembler = FaultyAssembler([])
    with use_context(CONTEXT):
        batches = list(generate_pages(assembler, KEYS, Pace(2, 2)))
    assert [key for keys, _ in batches for key in keys] == KEYS
    assert [len(pages) for _, pages in batches] == [2, 2, 2, 1]
    assert set(assembler.stacks) == {"trial"}


def test_what_may_pass_is_asked_again_with_growing_waits() -> None:
    waits: list[float] = []
    assembler = FaultyAssembler([grpc.StatusCode.UNAVAILABLE] * 3)
    with use_context(CONTEXT):
        batches = list(generate_pages(assembler, KEYS, Pace(7, 1), wait=waits.append))
    assert not batches[0][1].failures
    assert waits == [0.1, 0.2, 0.4]


def test_a_stack_that_never_answers_fails_the_partition() -> None:
    assembler = FaultyAssembler([grpc.StatusCode.UNAVAILABLE] * 50)
    with use_context(CONTEXT), pytest.raises(StackFailed, match="UNAVAILABLE: injected"):
        list(generate_pages(assembler, KEYS, Pace(7, 1), wait=lambda _seconds: None))


def test_a_batch_refused_for_good_is_counted_page_by_page_and_the_rest_is_made() -> None:
    assembler = FaultyAssembler([grpc.StatusCode.INTERNAL])
    with use_context(CONTEXT):
        batches = list(generate_pages(assembler, KEYS, Pace(4, 1)))
    refused, made = (pages for _, pages in batches)
    assert [(one.index, one.code, one.message) for one in refused.failures] == [
        (index, grpc.StatusCode.INTERNAL, "injected") for index in range(4)
    ]
    assert not made.failures
