"""A mesh on a Ray cluster: placed over nodes, back after the loss of one, gone at the end."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from mesh.client import MeshProcess
from mesh.demands import Needs
from mesh.errors import Infeasible, WrongState
from mesh.serving import connect_without_mesh
from mesh.topology import ServiceProcess, Stack
from tests.mesh_probe import ProbeClient, Question
from tests.mesh_processes import FIRST, SECOND, living, probe_process, wait_gone
from tests.ray_cluster import RAY_WARNINGS, raylets, start_cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ray.cluster_utils import Cluster

    from mesh.topology import Endpoint

pytestmark = [pytest.mark.integration, *RAY_WARNINGS]

TRIAL = Stack(
    "trial", 0, overrides=(probe_process(SECOND, name="trial's", replicas=3),), variant="trial"
)
SECRET = "correct-horse-battery-staple"  # noqa: S105 - looked for in Ray's files


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A head without CPUs and three nodes with two each."""
    with start_cluster(3) as running:
        yield running


def ray_arguments(cluster: Cluster) -> tuple[str, ...]:
    return ("--launcher", "ray", "--ray-address", cluster.address, "--restarts", "3")


def node_of(process_id: int, cluster: Cluster) -> int:
    """Return the process id of the node's raylet: the replica is a child of its worker."""
    parents = {parent.pid for parent in psutil.Process(process_id).parents()}
    (raylet,) = raylets(cluster).keys() & parents
    return raylet


def test_a_stack_outlives_a_node_and_leaves_nothing(cluster: Cluster, tmp_path: Path) -> None:
    baseline = [probe_process(FIRST)]
    with MeshProcess.start(baseline, tmp_path, arguments=ray_arguments(cluster)) as mesh:
        before = mesh.service.create_stack(TRIAL).endpoints
        places = {one: node_of(one.process_id, cluster) for one in before}
        assert len(set(places.values())) > 1
        lost = places[before[0]]
        node = raylets(cluster)[lost]
        began = time.perf_counter()
        cluster.remove_node(node, allow_graceful=False)
        after = wait_served(mesh, before, {one for one in before if places[one] == lost})
        print(f"back after {time.perf_counter() - began:.2f} s")  # noqa: T201 - measured
        nodes_after = {node_of(one.process_id, cluster) for one in after}
        assert lost not in nodes_after
        started = {one.process_id for one in (*before, *after)}
    assert not wait_gone(started)


def wait_served(
    mesh: MeshProcess, before: tuple[Endpoint, ...], lost: set[Endpoint]
) -> tuple[Endpoint, ...]:
    """Wait until every lost replica answers at a new address; return where all are."""
    gone = {one.address for one in lost}
    deadline = time.monotonic() + 120
    now = before
    while gone & {one.address for one in now} and time.monotonic() < deadline:
        time.sleep(0.05)
        now = mesh.service.get_stack("trial").endpoints
    assert not gone & {one.address for one in now}
    assert len(now) == len(before)
    # Through Envoy, until each has answered.
    answered: set[int] = set()
    with connect_without_mesh(mesh.address, TRIAL.context) as channel:
        while answered != {one.process_id for one in now} and time.monotonic() < deadline:
            answered.add(ProbeClient(channel, SECOND).ask(Question()).process_id)
    assert answered == {one.process_id for one in now}
    return now


def test_nothing_survives_a_mesh_that_is_killed(cluster: Cluster, tmp_path: Path) -> None:
    arguments = ray_arguments(cluster)
    with MeshProcess.start([probe_process(FIRST)], tmp_path, arguments=arguments) as mesh:
        status = mesh.service.create_stack(TRIAL)
        replicas = {
            one.process_id for one in (*status.endpoints, *mesh.service.get_mesh().baseline)
        }
        assert living(replicas) == replicas
        os.kill(mesh.process_id, signal.SIGKILL)
        assert not wait_gone(replicas)


def test_what_no_node_has_is_refused_and_leaves_nothing(
    cluster: Cluster, tmp_path: Path
) -> None:
    greedy = ServiceProcess(FIRST, "tests.mesh_probe", needs=Needs(custom={"unobtainium": 1}))
    with pytest.raises(Infeasible, match="none of the 4 nodes has all of it"):
        MeshProcess.start([greedy], tmp_path, arguments=ray_arguments(cluster))


def test_ray_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    arguments = ("--launcher", "ray", "--ray-address", "127.0.0.1:1")
    with pytest.raises(WrongState, match="Cannot join a Ray cluster"):
        MeshProcess.start([], tmp_path, arguments=arguments)


def test_secrets_reach_the_process_and_no_file_of_ray(cluster: Cluster, tmp_path: Path) -> None:
    told = ("--service", FIRST, "--name", "it", "--tell-variable", "PROBE_SECRET")
    process = ServiceProcess(FIRST, "tests.mesh_probe", told, secrets=("PROBE_SECRET",))
    arguments = ray_arguments(cluster)
    secrets = {"PROBE_SECRET": SECRET}
    with MeshProcess.start([process], tmp_path, arguments=arguments, secrets=secrets) as mesh:
        (endpoint,) = mesh.service.get_mesh().baseline
        with connect_without_mesh(str(endpoint.address), TRIAL.context) as channel:
            assert ProbeClient(channel, FIRST).ask(Question()).name == f"it {SECRET}"
        session = Path(next(iter(raylets(cluster).values())).get_session_dir_path())
        files = [one for one in session.rglob("*") if one.is_file()]
        assert files
        assert not [one for one in files if SECRET.encode() in one.read_bytes()]
