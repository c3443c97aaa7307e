"""Stacks survive the way through messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pagesim.mesh.v1 import mesh_pb2

from core.errors import InvalidInput
from mesh.call.addresses import Address
from mesh.errors import InvalidStack
from mesh.topology.service_process import ServiceProcess
from mesh.topology.stack import Endpoint, LostReplica, Stack, StackStatus
from mesh.topology.translation import read_stack, read_status, write_stack, write_status

MICROS = st.integers(-62_000_000_000_000_000, 250_000_000_000_000_000)
TEXTS = st.text(st.characters(exclude_characters="\0"))
PROCESSES = st.builds(
    ServiceProcess,
    service=st.sampled_from(["a.v1.A", "b.v1.B"]),
    module=st.just("services.a"),
    arguments=st.lists(TEXTS, max_size=3).map(tuple),
    environment=st.dictionaries(st.sampled_from(["A", "B"]), TEXTS),
    replicas=st.integers(1, 64),
)
STACKS = st.builds(
    Stack,
    stack_id=st.from_regex(r"[a-z][a-z0-9-]{0,62}", fullmatch=True),
    as_of_micros=MICROS,
    known_by_micros=st.none() | MICROS,
    snapshot=st.none() | st.integers(1, 2**63 - 1),
    overrides=st.lists(PROCESSES, unique_by=lambda one: one.service).map(tuple),
    variant=st.just("") | st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", fullmatch=True),
)


@given(STACKS)
def test_a_stack_survives_its_message(stack: Stack) -> None:
    assert read_stack(write_stack(stack)) == stack


def test_a_status_survives_its_message() -> None:
    address = Address("127.0.0.1", 1)
    status = StackStatus(
        Stack("trial", 1),
        (Endpoint("a.A", "trial", address, address, 7),),
        lost=(LostReplica("b.B", "trial", "signal 9"),),
    )
    assert read_status(write_status(status)) == status


@pytest.mark.parametrize("number", [0, 6, -1, 2**31 - 1])
def test_a_state_that_is_not_known_is_refused_rather_than_taken_for_ready(number: int) -> None:
    message = write_status(StackStatus(Stack("trial", 1)))
    message.state = number  # type: ignore[assignment]  # as it may come over the wire
    with pytest.raises(InvalidInput, match=f"'trial' is in state {number}") as caught:
        read_status(message)
    assert caught.value.field == "state"


def test_a_stack_without_as_of_is_refused_rather_than_run_at_1970_or_now() -> None:
    with pytest.raises(InvalidStack, match="has no as-of") as caught:
        read_stack(mesh_pb2.Stack(stack_id="trial"))
    assert caught.value.field == "as_of"


def test_a_moment_finer_than_microseconds_is_refused_rather_than_rounded() -> None:
    message = write_stack(Stack("trial", 1))
    message.as_of.nanos += 1
    with pytest.raises(InvalidInput, match="whole microseconds"):
        read_stack(message)
