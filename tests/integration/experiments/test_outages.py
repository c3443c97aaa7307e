"""Runs in which processes are killed: they wait for the mesh, and make the same pages.

That the mesh itself answers each call while anything dies is in tests/integration/mesh.
"""

from __future__ import annotations

import json
import os
import re
import signal
import time
from itertools import cycle, islice
from typing import TYPE_CHECKING

import psutil
import pyarrow.dataset as ds
import pytest

from core.moments import to_micros
from mesh.client.announcement import announcement_folder, find_announcements
from mesh.client.service_client import MeshClient
from services.page.arguments import OVERLAY_ARGUMENT
from tests.support.commands import start_pagesim
from tests.support.mesh.processes import children_named, find_control_plane
from timetravel.store import Store

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from mesh.client.announcement import Announcement

pytestmark = [pytest.mark.integration, pytest.mark.long]

OWN = OVERLAY_ARGUMENT
VICTIMS = {
    "services.ranking": "RankingService of the baseline",
    "mesh.control.process": "",
    "timetravel": "TimeTravelService of the baseline",
    OWN: "RankingService of own-",
    "services.filtering": "FilteringService of the baseline",
    "services.dedup": "DedupService of the baseline",
    "services.assembler": "",
}
"""By what stands on the command line of one process of the mesh, while the treatment's stack is
there: what the run says that it waits for."""
KILLS = 20
SCOPE = {"source": "logged_pages", "profiles": 40, "pages_per_profile": 100}
# What they change is nothing, so that their own process ranks as the baseline's does.
VARIANTS: list[dict[str, object]] = [{"name": "control"}]
VARIANTS += [{"name": f"own-{number}", "configuration": {"ranking": {}}} for number in range(8)]
LIMITS = {"batch_pages": 1}


def check_running(run: subprocess.Popen[str]) -> None:
    assert run.poll() is None, run.communicate()


def wait_mesh(run: subprocess.Popen[str], logs: Path) -> Announcement:
    """Return the mesh of a run, once it has one."""
    while True:
        check_running(run)
        for found in find_announcements(announcement_folder(os.environ)):
            if found.directory == logs:
                return found
        time.sleep(0.05)


def count_answered(logs: Path) -> int:
    """Return how many batches of pages were answered so far."""
    with (logs / "access.jsonl").open() as file:
        calls = [json.loads(line) for line in file if line.endswith("\n")]
    return sum(
        call["path"].endswith("/AssemblePages") and call["grpc_status"] == "OK"
        for call in calls
    )


def wait_serving(run: subprocess.Popen[str], client: MeshClient, logs: Path) -> None:
    """Wait until nothing is lost, a stack has its own ranking, and a batch was answered."""
    time.sleep(0.3)  # until the mesh has noticed the last death
    answered = count_answered(logs)
    while not _serves(client) or count_answered(logs) == answered:
        check_running(run)
        time.sleep(0.2)


def _serves(client: MeshClient) -> bool:
    stacks = client.list_stacks()
    lost = [*client.get_mesh().lost, *(one for status in stacks for one in status.lost)]
    return not lost and any(status.endpoints for status in stacks)


def find_victim(mesh: int, victim: str) -> int:
    """Return the process id of the baseline's process of a module, or of the stack's own."""
    if victim == "mesh.control.process":
        return find_control_plane(mesh)
    found = [
        process_id
        for process_id in children_named(mesh, victim)
        if (OWN in psutil.Process(process_id).cmdline()) == (victim == OWN)
    ]
    return found[0]


def test_a_run_in_which_everything_is_killed_makes_the_pages_that_were_shown(
    lived_store: str, write_experiment: Callable[..., Path], tmp_path: Path
) -> None:
    experiment = write_experiment(scope=SCOPE, slices=1, variants=VARIANTS, limits=LIMITS)
    logs = tmp_path / "run" / "logs"
    run = start_pagesim("run", experiment, "--store", lived_store, "--output", tmp_path / "run")
    try:
        mesh = wait_mesh(run, logs)
        client = MeshClient(mesh.control_address, check=lambda: check_running(run))
        for victim in islice(cycle(VICTIMS), KILLS):
            wait_serving(run, client, logs)
            os.kill(find_victim(mesh.process_id, victim), signal.SIGKILL)
        client.close()
        _, messages = run.communicate()
    finally:
        run.kill()
        run.communicate()
    assert run.returncode == 0, messages
    for victim in VICTIMS.values():
        assert not victim or re.search(f"{victim}.* to be restarted", messages)
    with Store.open(lived_store) as store:
        shown = {
            (page.profile_id, page.shown_at): page.page_digest
            for page in store.logged_pages(with_features=False)
        }
    pages = ds.dataset(tmp_path / "run" / "pages", partitioning="hive").to_table().to_pylist()
    assert len(pages) > len(VICTIMS)
    for page in pages:
        moment = to_micros(page["as_of"])
        assert page["failure"] is None
        assert page["page_digest"] == shown[page["profile_id"], moment]
