"""pagesim mesh: what people and scripts see of a real mesh."""

from __future__ import annotations

import json
import os
import select
import signal
import time
from typing import TYPE_CHECKING, Any

import grpc
import psutil
import pytest

from mesh.client.mesh_process import MeshProcess
from mesh.topology.stack import Stack
from tests.support.commands import (
    check_invoked,
    check_pagesim,
    invoke_pagesim,
    start_pagesim,
)
from tests.support.mesh.probe import ProbeClient, Question
from tests.support.mesh.processes import FIRST, SECOND, probe_process

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mesh.topology.stack import StackStatus

    Create = Callable[..., StackStatus]
    ClientOf = Callable[[StackStatus, str], ProbeClient]

pytestmark = pytest.mark.integration


def entries(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def wait_logged(status: StackStatus, mesh: MeshProcess, *, calls: int) -> None:
    """Wait until Envoy has written its log; it does so twice a second."""
    sought = f'"stack":"{status.stack.stack_id}"'
    for _ in range(500):
        text = (mesh.directory / "access.jsonl").read_text()
        lines = [line for line in text.splitlines() if sought in line and "/Ask" in line]
        if len(lines) >= calls:
            return
        time.sleep(0.02)
    pytest.fail("the calls are not in the access log")


def test_status_tells_stacks_replicas_health_and_traffic(
    mesh: MeshProcess, create: Create, client_of: ClientOf
) -> None:
    status = create(probe_process(SECOND, replicas=2), snapshot=5)
    client = client_of(status, FIRST)
    client.ask(Question((SECOND,)))
    with pytest.raises(grpc.RpcError):
        client.ask(Question(fault="known"))
    arguments = ("mesh", "status", "--mesh", mesh.address, "--window-seconds", "0")
    document = check_pagesim(*arguments, "--json").document
    assert document["address"] == mesh.address
    assert document["directory"] == str(mesh.directory)
    (stack,) = (one for one in document["stacks"] if one["stack_id"] == status.stack.stack_id)
    assert (stack["as_of"], stack["snapshot"]) == ("2018-05-01T12:00:00.000000Z", 5)
    assert stack["overrides"] == [SECOND]
    assert (stack["calls"], stack["errors"]) == (3, 1)
    (own,) = stack["services"]
    assert (own["service"], own["healthy"], own["replicas"]) == (SECOND, 2, 2)
    first = next(one for one in document["baseline"] if one["service"] == FIRST)
    assert (first["healthy"], first["replicas"]) == (1, 1)
    shown = check_invoked(*arguments).output
    for word in (mesh.address, status.stack.stack_id, "2018-05-01T12:00:00Z", "2/2", FIRST):
        assert word in shown


def test_status_measures_rates_over_the_window(mesh: MeshProcess, create: Create) -> None:
    status = create()
    document = check_invoked("mesh", "status", "--mesh", mesh.directory, "--json").document
    (stack,) = (one for one in document["stacks"] if one["stack_id"] == status.stack.stack_id)
    assert document["window_seconds"] >= 1
    assert stack["calls_per_second"] == stack["errors_per_second"] == 0


def test_status_shows_that_a_dead_replica_was_started_again(
    mesh: MeshProcess, create: Create
) -> None:
    status = create(probe_process(SECOND, replicas=2))
    victim = status.endpoints[0].process_id
    psutil.Process(victim).send_signal(signal.SIGKILL)
    arguments = ("mesh", "status", "--mesh", mesh.address, "--window-seconds", "0", "--json")
    for _ in range(300):
        document = check_invoked(*arguments).document
        (stack,) = (
            one for one in document["stacks"] if one["stack_id"] == status.stack.stack_id
        )
        (own,) = stack["services"]
        own_processes = {one["process_id"] for one in own["processes"]}
        if stack["restarts"] == 1 and own["healthy"] == 2 and victim not in own_processes:
            break
        time.sleep(0.1)
    else:
        pytest.fail("no second process was started")
    assert stack["state"] == "ready"
    assert victim not in own_processes
    assert all(one["answers"] for one in own["processes"])


def test_routes_tell_who_serves_and_what_is_stamped(mesh: MeshProcess, create: Create) -> None:
    status = create(probe_process(SECOND), snapshot=7)
    stack_id = status.stack.stack_id
    document = check_pagesim("mesh", "routes", stack_id, "--mesh", mesh.address, "--json")
    routes = {one["service"]: one for one in document.document["routes"]}
    assert {name: one["served_by"] for name, one in routes.items()} == {
        FIRST: "baseline",
        SECOND: "stack",
    }
    (replica,) = routes[SECOND]["replicas"]
    assert replica["process_id"] == status.endpoints[0].process_id
    stamped = document.document["stamped_headers"]
    with grpc.insecure_channel(mesh.address) as channel:
        answer = ProbeClient(channel, SECOND).ask(
            Question(), metadata=(("x-pagesim-stack", stack_id),)
        )
    assert answer.headers == stamped
    shown = check_invoked("mesh", "routes", stack_id, "--mesh", mesh.address).output
    assert "+ x-pagesim-snapshot: 7" in shown
    assert f"{SECOND}  own process of {stack_id}" in shown
    assert f"{FIRST}  baseline" in shown


def test_logs_merge_the_access_log_with_those_of_processes(
    mesh: MeshProcess, create: Create, client_of: ClientOf
) -> None:
    status, other = create(probe_process(SECOND)), create()
    client = client_of(status, FIRST)
    client.ask(Question((SECOND,)))
    with pytest.raises(grpc.RpcError):
        client.ask(Question(fault="known"))
    client_of(other, FIRST).ask(Question())
    wait_logged(status, mesh, calls=3)
    arguments = ("mesh", "logs", status.stack.stack_id, "--mesh", mesh.address)
    found = entries(check_pagesim(*arguments, "--json").output)
    assert [one["at"] for one in found] == sorted(one["at"] for one in found)
    assert {one["source"] for one in found} == {
        "envoy",
        f"baseline/{FIRST}-0",
        f"{status.stack.stack_id}/{SECOND}-0",
    }
    assert other.stack.stack_id not in {one["stack"] for one in found}
    failed = entries(check_invoked(*arguments, "--errors", "--json").output)
    assert [one["source"] for one in failed] == ["envoy", f"baseline/{FIRST}-0"]
    assert failed[0]["entry"]["grpc_status"] == "NotFound"
    (last,) = check_invoked(*arguments, "--tail", "1").output.splitlines()
    assert status.stack.stack_id in last or FIRST in last
    assert check_invoked(*arguments, "--since", "2100-01-01").output == ""


def test_logs_can_be_followed(mesh: MeshProcess, create: Create, client_of: ClientOf) -> None:
    status = create()
    arguments = ("mesh", "logs", status.stack.stack_id, "--mesh", mesh.address)
    following = start_pagesim(*arguments, "--follow", "--json")
    try:
        assert following.stdout is not None
        client_of(status, FIRST).ask(Question())
        text = ""
        while f"/{FIRST}/Ask" not in text:
            assert select.select([following.stdout], [], [], 60)[0], "nothing was followed"
            part = os.read(following.stdout.fileno(), 65_536)
            assert part, following.communicate()
            text += part.decode()
    finally:
        following.terminate()
        following.communicate()


def test_following_ends_with_the_mesh(tmp_path: Path) -> None:
    with MeshProcess.start([probe_process(FIRST)], tmp_path) as ending:
        ending.service.create_stack(Stack("trial", 0))
        following = start_pagesim("mesh", "logs", "trial", "--mesh", tmp_path, "--follow")
        assert following.stdout is not None
        assert "grpc.health" in following.stdout.readline()
    _, messages = following.communicate()
    assert (following.returncode, messages) == (0, "The mesh has ended.\n")


def test_drain_removes_a_stack_and_the_next_call_is_refused(
    mesh: MeshProcess, client_of: ClientOf
) -> None:
    status = mesh.service.create_stack(Stack("drained", 0))
    client = client_of(status, FIRST)
    client.ask(Question())
    drained = check_pagesim("mesh", "drain", "drained", "--mesh", mesh.address, "--json")
    assert drained.document == {"stack_id": "drained", "removed": True}
    with pytest.raises(grpc.RpcError, match="names no live stack"):
        client.ask(Question())
    again = invoke_pagesim("mesh", "drain", "drained", "--mesh", mesh.address)
    assert again.exit_code == 1
    assert "There is no stack 'drained'" in again.messages


def test_the_one_mesh_that_runs_is_found_by_itself(mesh: MeshProcess, tmp_path: Path) -> None:
    document = check_invoked("mesh", "status", "--json").document
    assert document["process_id"] == mesh.process_id
    nowhere = invoke_pagesim("mesh", "status", extra={"XDG_STATE_HOME": str(tmp_path)})
    assert nowhere.exit_code == 1
    assert "No mesh runs here. Start one with `pagesim serve" in nowhere.messages


def test_a_mesh_that_does_not_answer_is_said_so() -> None:
    outcome = invoke_pagesim("mesh", "status", "--mesh", "127.0.0.1:1")
    assert outcome.exit_code == 1
    assert "No mesh answers at 127.0.0.1:1" in outcome.messages


def test_a_stack_that_is_not_there_is_answered_with_those_that_are(
    mesh: MeshProcess, create: Create
) -> None:
    stack_id = create().stack.stack_id
    for command in ("routes", "logs", "drain"):
        outcome = invoke_pagesim("mesh", command, "absent", "--mesh", mesh.address)
        assert outcome.exit_code == 1
        assert "There is no stack 'absent'" in outcome.messages
        assert stack_id in outcome.messages
