"""A replica through a host: ready means reachable, failed says why, stopped means gone."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import grpc
import pytest

from mesh.call.context import CallContext
from mesh.errors import ProcessFailed
from mesh.process.child_process import Program, Spawner
from mesh.security.call_origin import CallKey
from mesh.serving import connect_without_mesh
from mesh.stacks.replicas import Launch, Launcher
from mesh.topology.service_process import ServiceProcess
from mesh.topology.topology import cluster_name
from tests.support.mesh.probe import ProbeClient, Question
from tests.support.mesh.processes import FIRST, living, probe_process, running_host, wait_gone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mesh.call.addresses import Address

pytestmark = pytest.mark.integration

CONTEXT = CallContext("trial", 0)
CALL_KEY = CallKey.make()
NOBODY = "127.0.0.1:1"


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    with running_host(tmp_path) as host:
        yield Launcher(host, mesh_address=NOBODY, logs=tmp_path, call_key=CALL_KEY)


def connect_as_envoy(address: Address, stack_id: str) -> grpc.Channel:
    secret = CALL_KEY.secret_of(cluster_name(FIRST, stack_id))
    return connect_without_mesh(str(address), CONTEXT, call_secret=secret)


def test_a_replica_serves_when_it_is_ready_and_is_gone_when_stopped(
    launcher: Launcher,
) -> None:
    replicas = [
        launcher.launch(Launch(probe_process(FIRST), "trial", number)) for number in range(2)
    ]
    endpoints = [one.wait_ready(60) for one in replicas]
    for endpoint in endpoints:
        assert (endpoint.service, endpoint.stack_id) == (FIRST, "trial")
        with connect_as_envoy(endpoint.address, "trial") as channel:
            assert ProbeClient(channel, FIRST).ask(Question()).process_id == endpoint.process_id
    assert [one.exit_reason() for one in replicas] == [None, None]
    for one in replicas:
        one.stop()
    assert not living({endpoint.process_id for endpoint in endpoints})
    assert all(one.exit_reason() == "exit code 0" for one in replicas)


def test_stopping_lets_a_call_in_flight_end(launcher: Launcher) -> None:
    replica = launcher.launch(Launch(probe_process(FIRST), "", 0))
    with connect_as_envoy(replica.wait_ready(60).address, "") as channel:
        client = ProbeClient(channel, FIRST)
        client.ask(Question())
        in_flight = client.ask.future(Question(sleep_seconds=0.5))
        with pytest.raises(grpc.FutureTimeoutError):
            in_flight.result(0.1)
        replica.stop()
        assert in_flight.result().name == FIRST


def test_environment_and_arguments_arrive(launcher: Launcher) -> None:
    process = ServiceProcess(
        FIRST,
        "tests.support.mesh.probe",
        ("--service", FIRST, "--name", "two words", "--tell-variable", "PROBE_SAYS"),
        {"PROBE_SAYS": "hello"},
    )
    replica = launcher.launch(Launch(process, "", 0))
    with connect_as_envoy(replica.wait_ready(60).address, "") as channel:
        assert ProbeClient(channel, FIRST).ask(Question()).name == "two words hello"
    replica.stop()


def test_what_no_program_can_be_given_keeps_no_other_from_starting(tmp_path: Path) -> None:
    spawner = Spawner()
    with pytest.raises(ProcessFailed, match="embedded null byte"):
        spawner.spawn(Program("odd", ("odd\0",), log=tmp_path / "odd.log"))
    child = spawner.spawn(Program("plain", ("/bin/true",), log=tmp_path / "plain.log"))
    with pytest.raises(ProcessFailed, match="exit code 0 before it was ready"):
        child.wait_ready(60)
    child.stop(0)


def test_a_replica_that_ends_first_says_why(launcher: Launcher) -> None:
    replica = launcher.launch(Launch(probe_process(FIRST, die="no model here"), "trial", 0))
    with pytest.raises(ProcessFailed, match="exit code 1 before it was ready") as caught:
        replica.wait_ready(60)
    assert "no model here" in str(caught.value)
    assert replica.exit_reason() == "exit code 1"
    replica.stop()


def test_a_replica_that_is_never_ready_is_given_up(launcher: Launcher) -> None:
    replica = launcher.launch(Launch(probe_process(FIRST, hang=True), "trial", 0))
    with pytest.raises(ProcessFailed, match=r"was not ready within 0\.2 seconds"):
        replica.wait_ready(0.2)
    replica.stop()
    assert replica.exit_reason() is not None


def test_a_replica_that_is_killed_says_so(launcher: Launcher) -> None:
    replica = launcher.launch(Launch(probe_process(FIRST), "trial", 0))
    process_id = replica.wait_ready(60).process_id
    os.kill(process_id, signal.SIGKILL)
    assert not wait_gone({process_id})
    assert replica.exit_reason() == "signal SIGKILL"
    replica.stop()
