"""The life of stacks: ready when said so, gone when deleted, nothing left when they fail."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import grpc
import pytest

from core.errors import InvalidInput
from mesh.call.context import use_context
from mesh.errors import InvalidStack, ProcessFailed, StackExists, UnknownStack
from mesh.serving import connect
from mesh.topology.service_process import ServiceProcess
from mesh.topology.stack import Stack, StackState
from tests.support.mesh.probe import Answer, ProbeClient, Question
from tests.support.mesh.processes import (
    FIRST,
    SECOND,
    descendants,
    living,
    probe_process,
    wait_gone,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mesh.client.mesh_process import MeshProcess
    from mesh.topology.stack import StackStatus

    Create = Callable[..., StackStatus]
    ClientOf = Callable[[StackStatus, str], ProbeClient]

pytestmark = pytest.mark.integration

AS_OF = 1_525_176_000_000_000  # 2018-05-01T12:00:00Z


def test_a_stack_is_described_as_it_was_created(mesh: MeshProcess, create: Create) -> None:
    status = create(probe_process(SECOND), known_by_micros=AS_OF + 1, snapshot=3)
    assert mesh.service.get_stack(status.stack.stack_id) == status
    assert status in mesh.service.list_stacks()


def test_creating_the_same_stack_again_returns_it(mesh: MeshProcess, create: Create) -> None:
    status = create(probe_process(SECOND))
    assert mesh.service.create_stack(status.stack) == status


def test_a_different_stack_under_the_same_id_is_refused(
    mesh: MeshProcess, create: Create
) -> None:
    stack_id = create().stack.stack_id
    with pytest.raises(StackExists, match=f"another stack called {stack_id}") as caught:
        mesh.service.create_stack(Stack(stack_id, AS_OF + 1))
    assert caught.value.field == "stack_id"


def test_many_stacks_are_created_at_once_and_each_only_once(
    mesh: MeshProcess, stack_ids: Iterator[str]
) -> None:
    stacks = [
        Stack(next(stack_ids), AS_OF + number, overrides=(probe_process(SECOND),))
        for number in range(3)
    ]
    with ThreadPoolExecutor(6) as executor:
        statuses = list(executor.map(mesh.service.create_stack, stacks * 2))
        assert statuses[:3] == statuses[3:]
        list(executor.map(mesh.service.delete_stack, [one.stack_id for one in stacks]))


def test_deleting_a_stack_ends_its_processes_and_its_routes(
    mesh: MeshProcess, bare_channel: grpc.Channel, stack_ids: Iterator[str]
) -> None:
    stack = Stack(next(stack_ids), AS_OF, overrides=(probe_process(SECOND, replicas=2),))
    before = descendants(mesh.process_id)
    status = mesh.service.create_stack(stack)
    own = {one.process_id for one in status.endpoints}
    assert len(own) == 2
    assert descendants(mesh.process_id) - before == own
    mesh.service.delete_stack(stack.stack_id)
    assert not living(own)
    assert descendants(mesh.process_id) == before
    with pytest.raises(grpc.RpcError) as caught:
        ProbeClient(bare_channel, FIRST).ask(
            Question(), metadata=(("x-pagesim-stack", stack.stack_id),)
        )
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    for use in (mesh.service.get_stack, mesh.service.delete_stack):
        with pytest.raises(UnknownStack):
            use(stack.stack_id)


def test_calls_in_flight_outlive_the_routes_of_their_stack(
    mesh: MeshProcess, stack_ids: Iterator[str]
) -> None:
    stack = Stack(next(stack_ids), AS_OF, overrides=(probe_process(FIRST, name="own"),))
    mesh.service.create_stack(stack)
    with connect(mesh.address) as channel, use_context(stack.context):
        call = ProbeClient(channel, FIRST).ask.future(Question(sleep_seconds=0.5))
        time.sleep(0.1)  # until the call has arrived
        mesh.service.delete_stack(stack.stack_id)
        assert call.result().name == "own"


def test_a_process_that_dies_at_its_start_is_reported_with_the_end_of_its_log(
    mesh: MeshProcess, stack_ids: Iterator[str]
) -> None:
    before = descendants(mesh.process_id)
    dying = probe_process(SECOND, die="the model file is not there")
    stack = Stack(next(stack_ids), AS_OF, overrides=(probe_process(FIRST), dying))
    with pytest.raises(ProcessFailed) as caught:
        mesh.service.create_stack(stack)
    said = str(caught.value)
    assert f"{SECOND} of {stack.stack_id} ended with exit code 1 before it was ready" in said
    assert "the model file is not there" in said
    assert str(mesh.directory / "logs" / stack.stack_id) in said
    assert descendants(mesh.process_id) == before
    repaired = Stack(stack.stack_id, AS_OF)
    mesh.service.create_stack(repaired)
    mesh.service.delete_stack(repaired.stack_id)


def test_a_module_that_is_not_there_is_reported_by_name(
    mesh: MeshProcess, stack_ids: Iterator[str]
) -> None:
    missing = ServiceProcess(SECOND, "tests.no_such_module")
    with pytest.raises(ProcessFailed, match=r"No module named tests\.no_such_module"):
        mesh.service.create_stack(Stack(next(stack_ids), AS_OF, overrides=(missing,)))


def test_a_process_that_serves_something_else_makes_no_ready_stack(
    mesh: MeshProcess, stack_ids: Iterator[str]
) -> None:
    impostor = ServiceProcess(SECOND, "tests.support.mesh.probe", ("--service", FIRST))
    with pytest.raises(Exception, match=f"{SECOND} does not answer") as caught:
        mesh.service.create_stack(Stack(next(stack_ids), AS_OF, overrides=(impostor,)))
    assert caught.type.__name__ == "Unavailable"


def test_an_invalid_process_is_refused_by_its_field(
    mesh: MeshProcess, stack_ids: Iterator[str]
) -> None:
    override = probe_process(SECOND)
    object.__setattr__(override, "replicas", 1000)
    with pytest.raises(InvalidInput, match="1000 replicas") as caught:
        mesh.service.create_stack(Stack(next(stack_ids), AS_OF, overrides=(override,)))
    assert caught.value.field == "replicas"


def test_a_process_that_dies_later_is_logged_and_started_again(
    mesh: MeshProcess, create: Create, client_of: ClientOf
) -> None:
    status = create(probe_process(FIRST))
    client = client_of(status, FIRST)
    with pytest.raises(grpc.RpcError) as caught:
        client.ask(Question(fault="exit"))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    stack_id = status.stack.stack_id
    again = wait_status(mesh, stack_id, lambda now: now.restarts == 1 and bool(now.endpoints))
    assert again.state is StackState.READY
    assert again.endpoints[0].process_id != status.endpoints[0].process_id
    died = f'"name": "{FIRST} of {stack_id}", "reason": "exit code 3"'
    assert died in (mesh.directory / "mesh.log").read_text()
    assert ask_until_answered(client).process_id == again.endpoints[0].process_id


def test_a_process_that_keeps_dying_is_given_up_with_a_reason(
    mesh: MeshProcess, create: Create, tmp_path: Path
) -> None:
    crutch = tmp_path / "crutch"
    crutch.touch()
    status = create(probe_process(SECOND, needs=crutch))
    crutch.unlink()
    os.kill(status.endpoints[0].process_id, signal.SIGKILL)
    stack_id = status.stack.stack_id
    failed = wait_status(mesh, stack_id, lambda now: now.state is StackState.FAILED)
    assert "died 7 times in a row, at last with exit code 1" in failed.reason
    assert failed.restarts == 6


def ask_until_answered(client: ProbeClient) -> Answer:
    """Ask until Envoy, which looks once a second, has found the replica healthy again."""
    deadline = time.monotonic() + 30
    while True:
        try:
            answer: Answer = client.ask(Question())
        except grpc.RpcError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return answer


def wait_status(
    mesh: MeshProcess, stack_id: str, wanted: Callable[[StackStatus], bool]
) -> StackStatus:
    for status in mesh.service.watch_stacks():
        if status.stack.stack_id == stack_id and wanted(status):
            return status
    raise AssertionError("watching ended")


def test_a_stack_whose_lease_is_not_renewed_goes(
    mesh: MeshProcess, stack_ids: Iterator[str]
) -> None:
    stack = Stack(next(stack_ids), AS_OF, overrides=(probe_process(SECOND),))
    status = mesh.service.create_stack(stack, lease_seconds=1)
    gone = wait_status(mesh, stack.stack_id, lambda now: now.state is StackState.GONE)
    assert gone.reason == "Its lease of 1 seconds was not renewed."
    assert not living({one.process_id for one in status.endpoints})
    with pytest.raises(UnknownStack):
        mesh.service.renew_lease(stack.stack_id)


def test_a_lease_is_kept_alive_within_a_block_and_no_longer(
    mesh: MeshProcess, stack_ids: Iterator[str]
) -> None:
    stack = Stack(next(stack_ids), AS_OF)
    with mesh.service.lease_stack(stack, lease_seconds=1) as status:
        time.sleep(2.5)
        assert mesh.service.get_stack(stack.stack_id) == status
    with pytest.raises(UnknownStack):
        mesh.service.get_stack(stack.stack_id)


@pytest.mark.parametrize("seconds", [0.5, 1e9])
def test_a_lease_out_of_bounds_is_refused(
    mesh: MeshProcess, stack_ids: Iterator[str], seconds: float
) -> None:
    with pytest.raises(InvalidStack, match="cannot be kept"):
        mesh.service.create_stack(Stack(next(stack_ids), AS_OF), lease_seconds=seconds)


def test_a_draining_stack_refuses_new_calls_and_lets_those_in_flight_end(
    mesh: MeshProcess, stack_ids: Iterator[str]
) -> None:
    stack = Stack(next(stack_ids), AS_OF, overrides=(probe_process(FIRST, name="own"),))
    mesh.service.create_stack(stack)
    with (
        connect(mesh.address) as channel,
        use_context(stack.context),
        ThreadPoolExecutor(1) as executor,
    ):
        client = ProbeClient(channel, FIRST)
        in_flight = client.ask.future(Question(sleep_seconds=2))
        time.sleep(0.2)  # until the call has arrived
        draining = executor.submit(mesh.service.drain_stack, stack.stack_id)
        time.sleep(0.3)
        with pytest.raises(grpc.RpcError) as caught:
            client.ask(Question())
        assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert "is being drained and takes no new calls" in (caught.value.details() or "")
        assert in_flight.result().name == "own"
        draining.result()
    with pytest.raises(UnknownStack):
        mesh.service.get_stack(stack.stack_id)


def test_no_call_fails_while_one_replica_of_two_is_killed(
    create: Create, client_of: ClientOf
) -> None:
    status = create(probe_process(FIRST, replicas=2))
    client = client_of(status, FIRST)
    victim, survivor = (one.process_id for one in status.endpoints)
    enough = threading.Event()

    def call_until_enough() -> list[int]:
        answered = []
        while not enough.is_set():
            answered.append(client.ask(Question(sleep_seconds=0.001)).process_id)
        return answered

    with ThreadPoolExecutor(4) as executor:
        callers = [executor.submit(call_until_enough) for _ in range(4)]
        try:
            time.sleep(0.5)
            os.kill(victim, signal.SIGKILL)
            time.sleep(1.5)
        finally:
            enough.set()
        answered = [process_id for caller in callers for process_id in caller.result()]
    assert set(answered) == {victim, survivor}
    assert not wait_gone({victim})
