"""What every launcher keeps: ready means reachable, failed says why, stopped means gone."""

from __future__ import annotations

import os
import re
import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import grpc
import pytest

from mesh.context import CallContext
from mesh.demands import Limits, Needs
from mesh.errors import Infeasible, ProcessFailed
from mesh.launchers import Launch, Launcher, LocalLauncher, RestartingLauncher
from mesh.launchers.ray import RayLauncher
from mesh.processes import Spawner
from mesh.serving import connect_without_mesh
from mesh.topology import ServiceProcess
from tests.mesh_probe import ProbeClient, Question
from tests.mesh_processes import FIRST, living, probe_process, read_family, wait_gone
from tests.ray_cluster import RAY_WARNINGS

if TYPE_CHECKING:
    from pathlib import Path

    from mesh.launchers import RunningProcess
    from mesh.topology import Endpoint

pytestmark = [pytest.mark.integration, *RAY_WARNINGS]

CONTEXT = CallContext("trial", 0)
NOBODY = "127.0.0.1:1"


@pytest.fixture(params=["local", "ray"])
def launcher(request: pytest.FixtureRequest, tmp_path: Path) -> Launcher:
    if request.param == "local":
        return LocalLauncher(Spawner(), mesh_address=NOBODY, logs=tmp_path)
    request.getfixturevalue("ray_cluster")
    return RayLauncher(Spawner(), mesh_address=NOBODY, logs=tmp_path)


def test_a_replica_serves_when_it_is_ready_and_is_gone_when_stopped(
    launcher: Launcher,
) -> None:
    replicas = [
        launcher.launch(Launch(probe_process(FIRST), "trial", number)) for number in range(2)
    ]
    endpoints = [one.wait_ready(60) for one in replicas]
    for endpoint in endpoints:
        assert (endpoint.service, endpoint.stack_id) == (FIRST, "trial")
        with connect_without_mesh(str(endpoint.address), CONTEXT) as channel:
            assert ProbeClient(channel, FIRST).ask(Question()).process_id == endpoint.process_id
    assert [one.exit_reason() for one in replicas] == [None, None]
    assert [one.endpoint() for one in replicas] == endpoints
    for one in replicas:
        one.stop()
    assert not living({endpoint.process_id for endpoint in endpoints})
    assert all(one.exit_reason() == "exit code 0" for one in replicas)
    assert [one.endpoint() for one in replicas] == [None, None]


def test_stopping_lets_a_call_in_flight_end(launcher: Launcher) -> None:
    replica = launcher.launch(Launch(probe_process(FIRST), "", 0))
    with connect_without_mesh(str(replica.wait_ready(60).address), CONTEXT) as channel:
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
        "tests.mesh_probe",
        ("--service", FIRST, "--name", "two words", "--tell-variable", "PROBE_SAYS"),
        {"PROBE_SAYS": "hello"},
    )
    replica = launcher.launch(Launch(process, "", 0))
    with connect_without_mesh(str(replica.wait_ready(60).address), CONTEXT) as channel:
        assert ProbeClient(channel, FIRST).ask(Question()).name == "two words hello"
    replica.stop()


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


@pytest.mark.parametrize(
    "needs",
    [Needs(cpus=4096), Needs(memory_bytes=1 << 50), Needs(custom={"unobtainium": 1})],
    ids=str,
)
def test_what_no_machine_has_is_refused_at_once(launcher: Launcher, needs: Needs) -> None:
    process = replace(probe_process(FIRST), needs=needs)
    with pytest.raises(Infeasible, match=f"{FIRST} of trial needs {re.escape(str(needs))};"):
        launcher.launch(Launch(process, "trial", 0))


def test_a_limit_holds_and_is_named(launcher: Launcher) -> None:
    process = ServiceProcess(
        FIRST, "tests.limited_process", ("files",), limits=Limits(open_files=64)
    )
    replica = launcher.launch(Launch(process, "trial", 0))
    with pytest.raises(ProcessFailed, match="at its limit of 64 open files"):
        replica.wait_ready(60)
    replica.stop()


def test_what_a_replica_started_goes_with_it(launcher: Launcher, tmp_path: Path) -> None:
    told = tmp_path / "family"
    process = ServiceProcess(FIRST, "tests.limited_process", ("family", "--told", str(told)))
    replica = launcher.launch(Launch(process, "trial", 0))
    family = read_family(told)
    assert living(family) == family
    replica.stop()
    assert not wait_gone(family)


def test_a_replica_that_dies_is_back_elsewhere_until_its_restarts_are_used_up(
    launcher: Launcher,
) -> None:
    restarting = RestartingLauncher(launcher, restarts=1, start_timeout_seconds=60)
    replica = restarting.launch(Launch(probe_process(FIRST), "trial", 0))
    first = replica.wait_ready(60)
    assert replica.endpoint() == first
    os.kill(first.process_id, signal.SIGKILL)
    second = wait_moved(replica, first)
    assert second.process_id != first.process_id
    assert replica.exit_reason() is None
    with connect_without_mesh(str(second.address), CONTEXT) as channel:
        assert ProbeClient(channel, FIRST).ask(Question()).process_id == second.process_id
    os.kill(second.process_id, signal.SIGKILL)
    assert wait_end(replica) == "signal SIGKILL"
    assert replica.endpoint() is None
    replica.stop()


def test_a_replica_that_restarts_stays_stopped(launcher: Launcher) -> None:
    restarting = RestartingLauncher(launcher, restarts=3, start_timeout_seconds=60)
    replica = restarting.launch(Launch(probe_process(FIRST), "trial", 0))
    endpoint = replica.wait_ready(60)
    replica.stop()
    assert replica.exit_reason() == "exit code 0"
    assert not living({endpoint.process_id})


def wait_moved(replica: RunningProcess, before: Endpoint) -> Endpoint:
    deadline = time.monotonic() + 60
    now = replica.endpoint()
    while now in {None, before} and time.monotonic() < deadline:
        time.sleep(0.01)
        now = replica.endpoint()
    assert now is not None
    assert now.address != before.address
    return now


def wait_end(replica: RunningProcess) -> str | None:
    deadline = time.monotonic() + 60
    while replica.exit_reason() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return replica.exit_reason()
