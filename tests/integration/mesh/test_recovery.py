"""The control plane may be killed at any time: it comes back, and no call fails."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import grpc
import pytest

from mesh.call.context import use_context
from mesh.client.mesh_process import MeshProcess
from mesh.envoy.envoy import ADMIN_SOCKET
from mesh.errors import ProcessFailed, UnknownStack
from mesh.host.server import HOST_SOCKET
from mesh.serving import connect
from mesh.stacks.journal import JOURNAL
from mesh.topology.stack import Stack
from tests.support.effort import effort
from tests.support.mesh.probe import Answer, ProbeClient, Question
from tests.support.mesh.processes import (
    FIRST,
    SECOND,
    children_named,
    descendants,
    find_control_plane,
    living,
    probe_process,
    wait_gone,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeshProcess]:
    baseline = [probe_process(FIRST), probe_process(SECOND)]
    patience = ("--start-timeout-seconds", "15")
    directory = tmp_path_factory.mktemp("mesh")
    with MeshProcess.start(baseline, directory, arguments=patience) as running:
        yield running


@pytest.fixture
def mesh(running: MeshProcess) -> Iterator[MeshProcess]:
    """A mesh that each test leaves as it found it, whatever died."""
    yield running
    for status in running.service.list_stacks():
        running.service.delete_stack(status.stack.stack_id)


def kill_control_plane(mesh: MeshProcess) -> None:
    victim = find_control_plane(mesh.process_id)
    os.kill(victim, signal.SIGKILL)
    assert not wait_gone({victim})


def wait_lost(mesh: MeshProcess, stack_id: str, services: set[str]) -> None:
    """Wait until just these replicas, of a stack or of the baseline, are being restarted."""
    deadline = time.monotonic() + 30
    while True:
        status = mesh.service.get_stack(stack_id) if stack_id else mesh.service.get_mesh()
        if status.restarts and {one.service for one in status.lost} == services:
            return
        assert time.monotonic() < deadline, status
        time.sleep(0.05)


def ask_until_noticed(client: ProbeClient) -> Answer:
    """Return the first answer after a restart, of which Envoy learns by a health check."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return client.ask(Question(path=(SECOND,)))
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE or time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def assert_second_is_away(client: ProbeClient) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        client.ask(Question(path=(SECOND,)))
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


def read_configuration(directory: Path) -> dict[str, object]:
    """Return what Envoy was given by discovery: names, versions and contents."""
    with socket.socket(socket.AF_UNIX) as opened:
        opened.connect(str(directory / ADMIN_SOCKET))
        connection = http.client.HTTPConnection("localhost")
        connection.sock = opened
        connection.request("GET", "/config_dump?include_eds")
        dump = json.loads(connection.getresponse().read())
    return {
        f"{part['@type']} {kind}": resources
        for part in dump["configs"]
        for kind, resources in part.items()
        if kind.startswith("dynamic_")
    }


@pytest.mark.scaled
def test_no_call_fails_while_the_control_plane_is_killed(mesh: MeshProcess) -> None:
    stack = Stack("trial", 7, overrides=(probe_process(SECOND, name="own"),))
    own = mesh.service.create_stack(stack)
    enough = threading.Event()

    def call_until_enough() -> int:
        calls = 0
        with connect(mesh.address) as channel, use_context(stack.context):
            client = ProbeClient(channel, FIRST)
            while not enough.is_set():
                answers = client.ask(Question(path=(SECOND,))).hops
                assert [one.name for one in answers] == [FIRST, "own"]
                calls += 1
        return calls

    with ThreadPoolExecutor(2) as executor:
        callers = [executor.submit(call_until_enough) for _ in range(2)]
        try:
            for _ in range(effort(1, 3)):
                kill_control_plane(mesh)
                assert mesh.service.get_stack("trial") == own
        finally:
            enough.set()
        assert all(caller.result() > 0 for caller in callers)


def test_envoy_is_told_nothing_anew_after_a_restart(mesh: MeshProcess) -> None:
    for number in range(3):
        mesh.service.create_stack(Stack(f"trial-{number}", number))
    before = read_configuration(mesh.directory)
    assert before
    kill_control_plane(mesh)
    assert len(mesh.service.list_stacks()) == 3
    # Times of the last update are in it, so nothing was even sent again.
    assert read_configuration(mesh.directory) == before
    mesh.service.create_stack(Stack("another", 9, overrides=(probe_process(SECOND),)))
    assert read_configuration(mesh.directory) != before


def test_the_addresses_and_the_baseline_stay(mesh: MeshProcess) -> None:
    before = mesh.service.get_mesh()
    (mesh.directory / "baseline.json").write_text("[]")  # what was started counts
    kill_control_plane(mesh)
    assert mesh.service.get_mesh() == before


def test_a_stack_that_was_half_made_leaves_nothing_and_can_be_made_again(
    mesh: MeshProcess,
) -> None:
    mesh.service.create_stack(Stack("kept", 1, overrides=(probe_process(SECOND),)))
    before = descendants(mesh.process_id) - {find_control_plane(mesh.process_id)}
    hanging = probe_process(FIRST, hang=True)
    slow = Stack("slow", 2, overrides=(probe_process(SECOND), hanging))
    with ThreadPoolExecutor(1) as executor:
        creating = executor.submit(mesh.service.create_stack, slow)
        while len(descendants(mesh.process_id)) < len(before) + 3:
            time.sleep(0.01)
        half_made = descendants(mesh.process_id) - before
        kill_control_plane(mesh)
        assert not wait_gone(half_made)
        assert [one.stack.stack_id for one in mesh.service.list_stacks()] == ["kept"]
        with pytest.raises(ProcessFailed, match="was not ready within"):
            creating.result()  # the client asked again by itself
    mesh.service.create_stack(Stack("slow", 2))
    assert living(before) == before


def test_a_delete_whose_answer_was_lost_is_a_delete(mesh: MeshProcess) -> None:
    mesh.service.create_stack(Stack("trial", 1, overrides=(probe_process(SECOND),)))
    with ThreadPoolExecutor(1) as executor:
        deleting = executor.submit(mesh.service.delete_stack, "trial")
        kill_control_plane(mesh)
        deleting.result()
    with pytest.raises(UnknownStack):
        mesh.service.get_stack("trial")
    assert not children_named(mesh.process_id, "trial")


def test_a_lease_outlives_the_control_plane_and_still_ends(mesh: MeshProcess) -> None:
    mesh.service.create_stack(Stack("leased", 1), lease_seconds=3)
    kill_control_plane(mesh)
    assert mesh.service.renew_lease("leased") == 3
    deadline = time.monotonic() + 30
    while mesh.service.list_stacks():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_replica_that_dies_while_nobody_looks_is_started_again(mesh: MeshProcess) -> None:
    stack = Stack("trial", 1, overrides=(probe_process(SECOND),))
    (before,) = mesh.service.create_stack(stack).endpoints
    kill_control_plane(mesh)
    os.kill(before.process_id, signal.SIGKILL)
    deadline = time.monotonic() + 30
    after = before  # which may still be an endpoint when its restart is counted
    while after.process_id == before.process_id:
        assert time.monotonic() < deadline
        time.sleep(0.05)
        status = mesh.service.get_stack("trial")
        if status.restarts and status.endpoints:
            (after,) = status.endpoints
    assert after.address == before.address


def test_a_service_of_a_stack_that_is_away_is_never_replaced_by_the_baselines(
    mesh: MeshProcess, tmp_path: Path
) -> None:
    needed = tmp_path / "needed"
    needed.touch()
    own = (
        probe_process(FIRST, name="own first"),
        probe_process(SECOND, name="own second", needs=needed),
    )
    stack = Stack("trial", 7, overrides=own)
    before = mesh.service.create_stack(stack).endpoints
    needed.unlink()
    for endpoint in before:
        os.kill(endpoint.process_id, signal.SIGKILL)
    wait_lost(mesh, "trial", {SECOND})
    with connect(mesh.address) as channel, use_context(stack.context):
        client = ProbeClient(channel, FIRST)
        for kills in range(2):
            if kills:
                kill_control_plane(mesh)
            assert [one.service for one in mesh.service.get_stack("trial").endpoints] == [FIRST]
            assert_second_is_away(client)
        needed.touch()
        wait_lost(mesh, "trial", set())
        answers = ask_until_noticed(client).hops
    assert [one.name for one in answers] == ["own first", "own second"]


def test_services_of_the_baseline_that_die_together_come_back_one_by_one(
    tmp_path: Path,
) -> None:
    needed = tmp_path / "needed"
    needed.touch()
    baseline = [probe_process(FIRST), probe_process(SECOND, needs=needed)]
    with MeshProcess.start(baseline, tmp_path / "mesh") as mesh:
        stack = Stack("trial", 7)
        mesh.service.create_stack(stack)
        needed.unlink()
        for endpoint in mesh.service.get_mesh().baseline:
            os.kill(endpoint.process_id, signal.SIGKILL)
        wait_lost(mesh, "", {SECOND})
        for _ in range(2):
            kill_control_plane(mesh)  # which must not wait for what does not start
            assert [one.service for one in mesh.service.get_mesh().baseline] == [FIRST]
        with connect(mesh.address) as channel, use_context(stack.context):
            client = ProbeClient(channel, FIRST)
            assert_second_is_away(client)
            needed.touch()
            wait_lost(mesh, "", set())
            answers = ask_until_noticed(client).hops
    assert [one.name for one in answers] == [FIRST, SECOND]


def test_a_restart_under_way_is_taken_over(mesh: MeshProcess, tmp_path: Path) -> None:
    awaited = tmp_path / "awaited"
    awaited.touch()
    own = probe_process(SECOND, name="own second", awaits=awaited)
    stack = Stack("trial", 7, overrides=(own,))
    (before,) = mesh.service.create_stack(stack).endpoints
    awaited.unlink()
    os.kill(before.process_id, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while (found := children_named(mesh.process_id, "own second")) in ([], [before.process_id]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    kill_control_plane(mesh)
    (lost,) = mesh.service.get_stack("trial").lost
    assert lost.service == SECOND
    awaited.touch()
    while not (after := mesh.service.get_stack("trial").endpoints):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert [(one.address, one.process_id) for one in after] == [(before.address, *found)]
    with connect(mesh.address) as channel, use_context(stack.context):
        answers = ask_until_noticed(ProbeClient(channel, FIRST)).hops
    assert [one.name for one in answers] == [FIRST, "own second"]


def test_a_process_that_is_killed_while_its_stack_is_created_is_started_anew(
    mesh: MeshProcess,
) -> None:
    stack = Stack("trial", 7, overrides=(probe_process(SECOND, name="own second"),))
    with ThreadPoolExecutor(1) as executor:
        creating = executor.submit(mesh.service.create_stack, stack)
        while not (found := children_named(mesh.process_id, "own second")):
            time.sleep(0.01)
        os.kill(found[0], signal.SIGKILL)
        (own,) = creating.result().endpoints
    assert living({found[0], own.process_id}) == {own.process_id}


def test_a_process_that_is_killed_whenever_its_stack_is_created_fails_it(
    mesh: MeshProcess,
) -> None:
    stack = Stack("trial", 7, overrides=(probe_process(SECOND, name="own second"),))
    before = descendants(mesh.process_id)
    with ThreadPoolExecutor(1) as executor:
        creating = executor.submit(mesh.service.create_stack, stack)
        while not creating.done():
            for process_id in children_named(mesh.process_id, "own second"):
                os.kill(process_id, signal.SIGKILL)
            time.sleep(0.01)
        with pytest.raises(ProcessFailed, match="signal SIGKILL before it was ready"):
            creating.result()
    assert mesh.service.list_stacks() == ()
    assert descendants(mesh.process_id) == before


def test_a_stack_is_created_once_the_baseline_serves_again(tmp_path: Path) -> None:
    needed = tmp_path / "needed"
    needed.touch()
    baseline = [probe_process(FIRST, needs=needed)]
    patience = ("--probe-timeout-seconds", "0.2")
    with (
        MeshProcess.start(baseline, tmp_path / "mesh", arguments=patience) as mesh,
        ThreadPoolExecutor(1) as executor,
    ):
        needed.unlink()
        os.kill(mesh.service.get_mesh().baseline[0].process_id, signal.SIGKILL)
        creating = executor.submit(mesh.service.create_stack, Stack("trial", 7))
        wait_lost(mesh, "", {FIRST})
        time.sleep(0.5)
        assert not creating.done()
        needed.touch()
        assert not creating.result().lost
        assert [one.service for one in mesh.service.get_mesh().baseline] == [FIRST]


def test_a_new_host_begins_with_no_stack(tmp_path: Path) -> None:
    with MeshProcess.start([], tmp_path) as mesh:
        mesh.service.create_stack(Stack("trial", 1))
    with MeshProcess.start([], tmp_path) as mesh:
        assert mesh.service.list_stacks() == ()


def test_socket_and_journal_are_this_users_alone(mesh: MeshProcess) -> None:
    for name in (HOST_SOCKET, JOURNAL):
        assert stat.S_IMODE((mesh.directory / name).stat().st_mode) == 0o600
