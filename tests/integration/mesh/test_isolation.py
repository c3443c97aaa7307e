"""Every stack is served by its own processes at its own moment, and by no other's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import grpc
import pytest

from mesh.call.context import context_headers
from tests.support.mesh.probe import ProbeClient, Question
from tests.support.mesh.processes import FIRST, SECOND, probe_process

if TYPE_CHECKING:
    from collections.abc import Callable

    from mesh.topology.stack import StackStatus

    Create = Callable[..., StackStatus]
    ClientOf = Callable[[StackStatus, str], ProbeClient]

pytestmark = pytest.mark.integration

DAY = 86_400_000_000
AS_OF = 1_525_176_000_000_000  # 2018-05-01T12:00:00Z
THROUGH_SECOND = Question((SECOND,))


def test_stacks_at_different_moments_never_see_each_other(
    create: Create, client_of: ClientOf
) -> None:
    own = probe_process(SECOND, name="own second")
    statuses = [
        create(own, as_of_micros=AS_OF),
        create(as_of_micros=AS_OF - DAY, known_by_micros=AS_OF, snapshot=7),
        create(as_of_micros=AS_OF - 2 * DAY, snapshot=8),
    ]
    expected = [(FIRST, "own second"), (FIRST, SECOND), (FIRST, SECOND)]

    def call_many(number: int) -> None:
        client = client_of(statuses[number % 3], FIRST)
        headers = context_headers(statuses[number % 3].stack.context)
        for _ in range(30):
            answer = client.ask(THROUGH_SECOND)
            assert tuple(hop.name for hop in answer.hops) == expected[number % 3]
            assert [hop.headers for hop in answer.hops] == [headers, headers]

    with ThreadPoolExecutor(6) as executor:
        list(executor.map(call_many, range(6)))


def test_an_override_costs_one_process_and_serves_only_its_stack(create: Create) -> None:
    overriding = create(probe_process(SECOND, name="own"))
    assert [one.service for one in overriding.endpoints] == [SECOND]
    assert create().endpoints == ()


def test_the_as_of_of_a_page_batch_is_the_stacks_own_however_deep_the_call(
    create: Create, client_of: ClientOf
) -> None:
    status = create()
    path = (SECOND, FIRST, SECOND, FIRST)
    answer = client_of(status, FIRST).ask(Question(path, in_thread=True))
    assert [hop.name for hop in answer.hops] == [FIRST, *path]
    assert {hop.headers["x-pagesim-as-of"] for hop in answer.hops} == {
        "2018-05-01T12:00:00.000000Z"
    }


def test_a_service_that_drops_the_context_fails_at_the_next_hop(
    create: Create, client_of: ClientOf
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        client_of(create(), FIRST).ask(Question((SECOND,), drop_context=True))
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "no x-pagesim-stack header" in (caught.value.details() or "")
