"""Limits end real processes, and the reason names the limit; what they started goes too."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from mesh.demands import Limits
from mesh.errors import ProcessFailed
from mesh.launchers import Launch, LocalLauncher
from mesh.processes import Spawner
from mesh.topology import ServiceProcess
from tests.mesh_processes import FIRST, living, probe_process, read_family, wait_gone

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

NOBODY = "127.0.0.1:1"

OWNER = """
import sys, time
from pathlib import Path
from mesh.launchers import Launch, LocalLauncher
from mesh.processes import Spawner
from tests.contract.mesh.test_limits import greedy

told = Path(sys.argv[1])
launcher = LocalLauncher(Spawner(), mesh_address="127.0.0.1:1", logs=told.parent)
replica = launcher.launch(Launch(greedy("family", "--told", str(told)), "trial", 0))
time.sleep(600)
"""


def greedy(deed: str, *arguments: str, limits: Limits | None = None) -> ServiceProcess:
    """Return how to run a process that uses up what it is told to."""
    return ServiceProcess(
        FIRST, "tests.limited_process", (deed, *arguments), limits=limits or Limits()
    )


@pytest.fixture
def launcher(tmp_path: Path) -> LocalLauncher:
    return LocalLauncher(Spawner(), mesh_address=NOBODY, logs=tmp_path)


@pytest.mark.parametrize(
    ("deed", "limits", "reason"),
    [
        (
            "memory",
            Limits(memory_bytes=1 << 30),
            "exit code 1, at its limit of 1073741824 bytes of memory",
        ),
        ("files", Limits(open_files=64), "exit code 1, at its limit of 64 open files"),
        ("cpu", Limits(cpu_seconds=2), "signal SIGXCPU, at its limit of 2 CPU seconds"),
    ],
)
def test_a_process_that_a_limit_ends_says_which(
    launcher: LocalLauncher, deed: str, limits: Limits, reason: str
) -> None:
    replica = launcher.launch(Launch(greedy(deed, limits=limits), "trial", 0))
    with pytest.raises(ProcessFailed, match=reason):
        replica.wait_ready(60)
    assert replica.exit_reason() == reason
    replica.stop()


def test_a_process_that_fails_for_another_reason_does_not_blame_its_limits(
    launcher: LocalLauncher,
) -> None:
    dying = probe_process(FIRST, die="no model here")
    limits = Limits(memory_bytes=8 << 30, open_files=256, cpu_seconds=600)
    process = ServiceProcess(dying.service, dying.module, dying.arguments, limits=limits)
    replica = launcher.launch(Launch(process, "trial", 0))
    with pytest.raises(ProcessFailed, match="no model here"):
        replica.wait_ready(60)
    assert replica.exit_reason() == "exit code 1"
    replica.stop()


def test_what_a_process_started_goes_when_it_is_killed(
    launcher: LocalLauncher, tmp_path: Path
) -> None:
    told = tmp_path / "family"
    replica = launcher.launch(Launch(greedy("family", "--told", str(told)), "trial", 0))
    family = read_family(told)
    assert living(family) == family
    (parent,) = (one for one in family if psutil.Process(one).children())
    os.kill(parent, signal.SIGKILL)
    assert not wait_gone(family)
    replica.stop()


def test_what_a_process_started_goes_when_the_launcher_is_killed(tmp_path: Path) -> None:
    told = tmp_path / "family"
    with subprocess.Popen([sys.executable, "-c", OWNER, str(told)]) as owner:
        family = read_family(told)
        assert living(family) == family
        owner.kill()
    assert not wait_gone(family)
