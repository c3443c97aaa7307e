"""Messages to the control plane and to hosts with something wrong: refused, never a crash."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.duration_pb2 import Duration
from pagesim.mesh.v1 import host_pb2, mesh_pb2

from core.errors import InvalidInput
from core.timestamps import decode_duration
from mesh.host.translation import read_program
from mesh.topology.service_process import ServiceProcess
from mesh.topology.stack import Stack
from mesh.topology.translation import read_lease, read_stack, write_stack
from tests.support.effort import effort
from tests.support.facts.dirty_facts import seeded
from tests.support.facts.mutated_chunks import mutate_message

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from google.protobuf.message import Message

MESSAGES = effort(2_000, 100_000)
PROCESS = ServiceProcess("a.A", "a.b", ("--x", "y"), environment={"A": "1"}, replicas=2)


def refused_field(read: Callable[[], object]) -> str | None:
    """Return the field that reading refuses, None if it refuses nothing."""
    try:
        read()
    except InvalidInput as error:
        return error.field
    return None


def fields_refused(originals: Mapping[Callable[[Any], object], Message]) -> Counter[str | None]:
    """Return what reading messages refuses, each with something wrong."""
    chance = seeded(7)
    found: Counter[str | None] = Counter()
    for _ in range(MESSAGES // len(originals)):
        for read, original in originals.items():
            message = type(original).FromString(original.SerializeToString())
            mutate_message(chance, message)
            found[refused_field(partial(read, message))] += 1
    return found


@pytest.mark.scaled
def test_a_message_to_the_control_plane_gone_wrong_is_read_or_refused_by_field() -> None:
    stack = Stack("trial", 10**15, 10**15, 3, (PROCESS,), "variant")
    request = mesh_pb2.CreateStackRequest(stack=write_stack(stack), lease=Duration(seconds=60))
    refused = fields_refused(
        {lambda message: read_stack(message.stack): request, read_lease: request}
    )
    assert "" not in refused
    assert {None, "as_of", "known_by", "stack_id", "variant", "snapshot", "lease"} < set(
        refused
    )


@pytest.mark.scaled
def test_a_message_to_a_host_gone_wrong_is_read_or_refused_by_field() -> None:
    program = host_pb2.Program(name="a", command=["a", "b"], environment={"A": "1"})
    wait = host_pb2.AwaitReadyRequest(process_key="a", timeout=Duration(seconds=3))
    refused = fields_refused(
        {
            read_program: program,
            lambda message: decode_duration(message.timeout, field="timeout"): wait,
        }
    )
    assert set(refused) == {None, "command", "timeout"}
