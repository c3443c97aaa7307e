"""Erasures, backups and restores under real processes and real signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mesh.call.context import CallContext
from mesh.serving import connect_without_mesh
from tests.support.commands import check_invoked, check_pagesim, invoke_pagesim
from tests.support.effort import effort
from tests.support.facts.upkeep import files_with
from timetravel.database import migrate
from timetravel.facts.model import AttributeFact, EntityKind, EventFact, EventKind, FeatureGroup
from timetravel.rpc.client import TimeTravelClient
from timetravel.segments.directory import SegmentDirectory
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from timetravel.facts.model import Fact

pytestmark = pytest.mark.integration

TASTE = FeatureGroup("taste", EntityKind.PROFILE, 1, ("a", "b"))
ERASED, OTHER = 17, 18
MARKER = b"MARKER"

# Dies at a step of the work, as if it were killed there.
DIE_AT = """
import os, signal, sys
from importlib import import_module

module, name, *arguments = sys.argv[1:]
found = import_module(module)

def die(*_arguments, **_keywords):
    os.kill(os.getpid(), signal.SIGKILL)

getattr(found, name)
setattr(found, name, die)
sys.argv = ["pagesim", *arguments]
import_module("experiments.cli.__main__").main()
"""

APPEND_FOREVER = """
import sys
from timetravel.facts.model import AttributeFact, EntityKind
from timetravel.store import Store

with Store.open(sys.argv[1]) as store:
    for turn in range(1, 1_000_000):
        with store.begin(turn) as writer:
            for half in range(2):
                writer.append(
                    [
                        AttributeFact(EntityKind.PROFILE, one, "n", turn, turn, turn)
                        for one in range(half, 200, 2)
                    ],
                    source="test",
                    synthetic=True,
                )
        print(turn, flush=True)
"""


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    migrate.upgrade(url)
    return url


def fill(store_url: str, segments: Path) -> int:
    facts: list[Fact] = []
    for profile_id, name in ((ERASED, MARKER.decode()), (OTHER, "other")):
        facts.append(AttributeFact(EntityKind.PROFILE, profile_id, "name", 1, 1, name))
        facts += [
            EventFact(f"{name}-{number}", profile_id, number, EventKind.PLAY, 1, 1.0, number)
            for number in range(500)
        ]
    with Store.open(store_url) as store:
        with store.begin(0) as writer:
            writer.register(TASTE)
            writer.append(facts, source="test", synthetic=True)
        store.segment(store.snapshot(), directory=SegmentDirectory(segments))
        return store.snapshot()


def is_there(store_url: str, profile_id: int) -> bool:
    with Store.open(store_url) as store:
        return len(store.as_of().history([profile_id], 10**6).event_at) == 500


def die_at(module: str, name: str, *command: object) -> None:
    """Run a command that is killed when it comes to a function."""
    arguments = [sys.executable, "-c", DIE_AT, module, name, *map(str, command)]
    killed = subprocess.run(arguments, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr


@pytest.mark.scaled
def test_an_erasure_that_is_killed_did_nothing_or_goes_on(
    store_url: str, tmp_path: Path
) -> None:
    fill(store_url, tmp_path / "segments")
    command = ("db", "erase", ERASED, "--reason", "ticket", "--store", store_url)
    for name in effort(("rehash_digests",), ("note_erased", "rehash_digests")):
        die_at("timetravel.removal.erasure", name, *command)
        assert is_there(store_url, ERASED)
    late = ("scrub", "_purge_copies", "mark_copy_folder", "end_upkeep")
    for name in effort(late[::3], late):
        die_at("timetravel.removal.completion", name, *command)
        assert not is_there(store_url, ERASED)
        with Store.open(store_url) as store:
            assert [one.ended_at for one in store.upkeep()] == [None]
    check_pagesim(*command)
    assert files_with(MARKER, tmp_path) == []
    assert is_there(store_url, OTHER)
    recorded = check_pagesim("db", "upkeep", "--json", "--store", store_url).document["upkeep"]
    assert [one["kind"] for one in recorded] == ["erasure"]
    assert recorded[0]["ended_at"] is not None


@contextmanager
def serving(store_url: str, segments: Path) -> Iterator[str]:
    readable, writable = os.pipe()
    command = [
        *(sys.executable, "-m", "timetravel", "--segments", str(segments)),
        *("--ready-fd", str(writable)),
        *("--address", "127.0.0.1:0", "--metrics-address", "127.0.0.1:0"),
    ]
    environment = {**os.environ, "PAGESIM_STORE": store_url}
    with subprocess.Popen(command, pass_fds=[writable], env=environment) as process:
        os.close(writable)
        with os.fdopen(readable) as ready:
            addresses = json.loads(ready.readline())
        yield addresses["address"]
        process.send_signal(signal.SIGTERM)


def test_a_running_server_does_not_answer_with_what_was_erased(
    store_url: str, tmp_path: Path
) -> None:
    segments = tmp_path / "segments"
    snapshot = fill(store_url, segments)
    context = CallContext("test", 10**6, None, snapshot)
    with (
        serving(store_url, segments) as address,
        connect_without_mesh(address, context) as channel,
    ):
        client = TimeTravelClient(channel)
        for profile_id in (ERASED, OTHER):
            assert len(client.history([profile_id], 10**6).event_at) == 500
        check_invoked("db", "erase", ERASED, "--reason", "ticket", "--store", store_url)
        assert len(client.history([ERASED], 10**6).event_at) == 0
        names = client.attributes(EntityKind.PROFILE, [ERASED, OTHER], 10**6, ["name"])
        assert names.columns["name"] == [None, "other"]
        assert len(client.history([OTHER], 10**6).event_at) == 500


def test_a_backup_is_of_one_state_while_another_process_writes(
    store_url: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", APPEND_FOREVER, store_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        while int(writer.stdout.readline()) < 20:
            pass
        taken = check_invoked(
            "db", "backup", tmp_path / "backup.db", "--json", "--store", store_url
        ).document
        while 2 * int(writer.stdout.readline()) <= taken["snapshot"]:
            pass  # written before the backup ended
        writer.kill()
        assert writer.wait() == -signal.SIGKILL
    with (
        Store.open(store_url) as store,
        Store.open(f"sqlite:///{tmp_path / 'backup.db'}") as backup,
    ):
        assert 40 <= taken["snapshot"] == backup.snapshot() < store.snapshot()
        turn = backup.snapshot() // 2
        assert backup.snapshot() == 2 * turn
        assert backup.count_facts()["attributes"] == 200 * turn
        found = backup.as_of().attributes(EntityKind.PROFILE, range(200), 10**9, ["n"])
        assert np.unique(np.array(found.columns["n"])).tolist() == [turn]
        assert backup.digest() == store.digest(backup.snapshot())


@pytest.mark.scaled
def test_a_backup_or_restore_that_is_killed_left_everything_as_it_was(
    store_url: str, tmp_path: Path
) -> None:
    fill(store_url, tmp_path / "segments")
    first, backup, new = (tmp_path / name for name in ("first.db", "backup.db", "new.db"))
    take = ("db", "backup", backup, "--store", store_url)
    make = ("db", "restore", first, "--store", f"sqlite:///{new}")
    put_back = ("db", "restore", first, "--replace", "--store", store_url)
    check_invoked("db", "backup", first, "--store", store_url)
    deaths = (
        ("backup", "_put", take),
        ("sqlite_restore", "_write_over", put_back),
        ("sqlite_restore", "_put", make),
        ("backup", "check_integrity", take),
        ("restore", "begin_upkeep", put_back),
    )
    for module, name, command in effort(deaths[:3], deaths):
        die_at(f"timetravel.backup.{module}", name, *command)
        assert not backup.exists()
        assert not new.exists()
        assert is_there(store_url, ERASED)
    for command in (take, make, put_back):
        check_invoked(*command)
    for url in (store_url, f"sqlite:///{backup}", f"sqlite:///{new}"):
        assert is_there(url, ERASED)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_store_in_use_is_replaced_under_its_readers_feet(
    store_url: str, tmp_path: Path
) -> None:
    snapshot = fill(store_url, tmp_path / "segments")
    backup = tmp_path / "backup.db"
    check_pagesim("db", "backup", backup, "--store", store_url)
    check_invoked("db", "erase", ERASED, "--reason", "ticket", "--store", store_url)
    context = CallContext("test", 10**6, None, snapshot)
    with (
        serving(store_url, tmp_path / "segments") as address,
        connect_without_mesh(address, context) as channel,
    ):
        client = TimeTravelClient(channel)
        assert len(client.history([OTHER], 10**6).event_at) == 500
        refused = invoke_pagesim("db", "restore", backup, "--store", store_url)
        assert refused.exit_code == 1
        assert "--replace" in refused.messages
        done = check_pagesim("db", "restore", backup, "--replace", "--store", store_url)
        assert "1 profiles are erased again" in done.output
        assert len(client.history([ERASED], 10**6).event_at) == 0
        assert len(client.history([OTHER], 10**6).event_at) == 500
