"""Nothing outlives its owner, whatever happens to it; what cannot start says why."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from core.errors import WrongState
from mesh.client.mesh_process import MeshProcess
from mesh.errors import AddressInUse, InvalidStack, ProcessFailed
from mesh.topology.stack import Stack
from tests.support.mesh.processes import (
    FIRST,
    SECOND,
    children_named,
    descendants,
    living,
    probe_process,
    wait_gone,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

OWNER = """
import sys, threading, time
from pathlib import Path
from mesh.client.mesh_process import MeshProcess
from mesh.topology.stack import Stack
from tests.support.mesh.processes import FIRST, SECOND, probe_process

def start():
    mesh = MeshProcess.start([probe_process(FIRST)], Path(sys.argv[1]))
    mesh.service.create_stack(Stack("trial", 0, overrides=(probe_process(SECOND),)))

starter = threading.Thread(target=start)  # its end must not end the mesh
starter.start()
starter.join()
time.sleep(0.2)
print("ready", flush=True)
time.sleep(600)
"""


def test_nothing_survives_an_owner_that_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"ready\n"
        # Host, control plane, Envoy, one process of the baseline and one of the stack.
        started = descendants(owner.pid)
        assert len(started) == 5
        owner.kill()
    assert not wait_gone(started)


def test_nothing_survives_a_host_that_is_killed(tmp_path: Path) -> None:
    with MeshProcess.start([probe_process(FIRST)], tmp_path) as mesh:
        started = descendants(mesh.process_id) | {mesh.process_id}
        os.kill(mesh.process_id, signal.SIGKILL)
        assert not wait_gone(started)
        with pytest.raises(ProcessFailed, match="signal SIGKILL"):
            mesh.check()


def test_closing_a_mesh_ends_all_of_it(tmp_path: Path) -> None:
    with MeshProcess.start([probe_process(FIRST)], tmp_path) as mesh:
        mesh.service.create_stack(Stack("trial", 0, overrides=(probe_process(SECOND),)))
        started = descendants(mesh.process_id) | {mesh.process_id}
        mesh.check()
    assert not living(started)


def test_a_mesh_whose_envoy_died_ends_and_says_so(tmp_path: Path) -> None:
    with MeshProcess.start([], tmp_path) as mesh:
        started = descendants(mesh.process_id) | {mesh.process_id}
        (envoy,) = children_named(mesh.process_id, "--config-path")
        os.kill(envoy, signal.SIGKILL)
        assert not wait_gone(started)
        with pytest.raises(ProcessFailed, match="Envoy ended with signal SIGKILL"):
            mesh.check()


def test_a_baseline_that_dies_at_its_start_is_reported_with_the_end_of_its_log(
    tmp_path: Path,
) -> None:
    before = descendants(os.getpid())
    dying = probe_process(FIRST, die="the store is not there")
    with pytest.raises(ProcessFailed, match="the store is not there") as caught:
        MeshProcess.start([dying], tmp_path)
    assert f"{FIRST} of the baseline ended with exit code 1" in str(caught.value)
    assert descendants(os.getpid()) == before


def test_a_baseline_that_names_a_service_twice_starts_nothing(tmp_path: Path) -> None:
    with pytest.raises(InvalidStack, match="is named 2 times"):
        MeshProcess.start([probe_process(FIRST), probe_process(FIRST)], tmp_path)


@pytest.mark.parametrize(
    "argument",
    ["--address", "--control-address", "--metrics-address", "--envoy-metrics-address"],
)
def test_an_address_in_use_is_said_so_and_leaves_nothing(tmp_path: Path, argument: str) -> None:
    before = descendants(os.getpid())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(AddressInUse, match=f"already listens on {address}"):
            MeshProcess.start([], tmp_path, arguments=(argument, address))
    assert descendants(os.getpid()) == before


def test_two_meshes_do_not_share_a_directory(tmp_path: Path) -> None:
    with MeshProcess.start([], tmp_path), pytest.raises(WrongState, match="Another mesh uses"):
        MeshProcess.start([], tmp_path)
