"""What Envoy stamps, what it takes away, and how it answers wrong calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import pytest

from mesh.call.context import context_headers
from tests.support.mesh.probe import ProbeClient, Question
from tests.support.mesh.processes import FIRST, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable

    from mesh.topology.stack import StackStatus

    Create = Callable[..., StackStatus]

pytestmark = pytest.mark.integration

AS_OF_TEXT = "2018-05-01T12:00:00.000000Z"
FORGED = (
    ("x-pagesim-known-by", "2030-01-01T00:00:00.000000Z"),
    ("x-pagesim-snapshot", "999999"),
    ("x-pagesim-variant", "winner"),
)


@pytest.mark.parametrize("pinned", [True, False], ids=["pinned", "not pinned"])
def test_the_stamp_cannot_be_forged(
    create: Create,
    bare_channel: grpc.Channel,
    pinned: bool,  # noqa: FBT001 - a pytest parameter
) -> None:
    status = create(known_by_micros=1, snapshot=5) if pinned else create()
    answer = ProbeClient(bare_channel, FIRST).ask(
        Question(), metadata=(("x-pagesim-stack", status.stack.stack_id), *FORGED, *FORGED)
    )
    assert answer.headers == context_headers(status.stack.context)


def test_the_stack_header_alone_is_enough(create: Create, bare_channel: grpc.Channel) -> None:
    status = create()
    headers = (("x-pagesim-stack", status.stack.stack_id),)
    answer = ProbeClient(bare_channel, FIRST).ask(Question(), metadata=headers)
    assert answer.headers["x-pagesim-as-of"] == AS_OF_TEXT


def test_an_as_of_that_agrees_is_let_through(
    create: Create, bare_channel: grpc.Channel
) -> None:
    status = create()
    headers = (("x-pagesim-stack", status.stack.stack_id), ("x-pagesim-as-of", AS_OF_TEXT))
    assert ProbeClient(bare_channel, FIRST).ask(Question(), metadata=headers).name == FIRST


def test_the_trace_goes_on_through_every_hop(
    create: Create, bare_channel: grpc.Channel
) -> None:
    trace = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    headers = (("x-pagesim-stack", create().stack.stack_id), trace)
    answer = ProbeClient(bare_channel, FIRST).ask(Question((SECOND,)), metadata=headers)
    assert [hop.headers["traceparent"] for hop in answer.hops] == [trace[1]] * 2


STACK, AS_OF = "x-pagesim-stack", "x-pagesim-as-of"


@pytest.mark.parametrize(
    ("headers", "code", "said"),
    [
        ([], "FAILED_PRECONDITION", "no x-pagesim-stack header"),
        ([(AS_OF, AS_OF_TEXT)], "FAILED_PRECONDITION", "Send the id of a live stack"),
        ([(STACK, "nobody")], "NOT_FOUND", "names no live stack. Create the stack first"),
        ([(STACK, "")], "NOT_FOUND", "names no live stack"),
        ([(STACK, "{STACK}")], "NOT_FOUND", "its id as it was created"),
        ([(STACK, "{stack},{stack}")], "NOT_FOUND", "names no live stack"),
        ([(STACK, "{stack}:80")], "NOT_FOUND", "names no live stack"),
        ([(STACK, "{stack}")] * 2, "INVALID_ARGUMENT", f"{STACK} header more than once"),
        ([(STACK, "nobody"), (STACK, "{stack}")], "INVALID_ARGUMENT", "Send it once"),
        (
            [(STACK, "{stack}"), (AS_OF, "2019-01-01T00:00:00.000000Z")],
            "FAILED_PRECONDITION",
            f"is {AS_OF_TEXT}, and the call's {AS_OF} header says otherwise",
        ),
        (
            [(STACK, "{stack}"), (AS_OF, AS_OF_TEXT), (AS_OF, AS_OF_TEXT)],
            "INVALID_ARGUMENT",
            f"{AS_OF} header more than once",
        ),
    ],
)
def test_a_wrong_call_is_told_what_to_do(
    create: Create,
    bare_channel: grpc.Channel,
    headers: list[tuple[str, str]],
    code: str,
    said: str,
) -> None:
    stack_id = create().stack.stack_id
    sent = [
        (name, value.format(stack=stack_id, STACK=stack_id.upper())) for name, value in headers
    ]
    with pytest.raises(grpc.RpcError) as caught:
        ProbeClient(bare_channel, FIRST).ask(Question(), metadata=tuple(sent))
    assert caught.value.code().name == code
    assert said in (caught.value.details() or "")


def test_a_service_that_nobody_serves_is_unimplemented(
    create: Create, bare_channel: grpc.Channel
) -> None:
    headers = (("x-pagesim-stack", create().stack.stack_id),)
    with pytest.raises(grpc.RpcError) as caught:
        ProbeClient(bare_channel, "test.absent.v1.AbsentService").ask(
            Question(), metadata=headers
        )
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert f"served are: {FIRST}, " in (caught.value.details() or "")
