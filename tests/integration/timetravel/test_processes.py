"""Stores and their service under real processes and real signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from mesh.call.context import CallContext
from mesh.serving import connect_without_mesh
from tests.support.effort import effort
from timetravel.database import migrate
from timetravel.facts.model import EntityKind, FeatureFact, FeatureGroup
from timetravel.rpc.client import TimeTravelClient
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.integration

TASTE = FeatureGroup("taste", EntityKind.PROFILE, 1, ("a", "b"))
PROFILES = 200

APPEND_FOREVER = """
import sys
import numpy as np
from timetravel.facts.model import EntityKind, FeatureFact, FeatureGroup
from timetravel.store import Store

taste = FeatureGroup("taste", EntityKind.PROFILE, 1, ("a", "b"))
with Store.open(sys.argv[1]) as store:
    for turn in range(1_000_000):
        with store.begin(turn) as writer:
            writer.register(taste)
            for half in range(2):
                writer.append(
                    [
                        FeatureFact(
                            "taste", profile, turn, turn, np.full(2, turn, np.float32)
                        )
                        for profile in range(half, 200, 2)
                    ],
                    source="test",
                    synthetic=True,
                )
            writer.set_cursor("turn", {"turn": turn})
        print(turn, flush=True)
"""


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    migrate.upgrade(url)
    return url


@pytest.fixture
def appending(store_url: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", APPEND_FOREVER, store_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def turns(process: subprocess.Popen[str]) -> Iterator[int]:
    assert process.stdout is not None
    for line in process.stdout:
        yield int(line)


def test_a_writer_killed_at_any_moment_leaves_whole_transactions_only(
    store_url: str, appending: subprocess.Popen[str]
) -> None:
    acknowledged = turns(appending)
    while next(acknowledged) < 20:
        pass
    appending.send_signal(signal.SIGKILL)
    last_acknowledged = max(acknowledged, default=20)
    appending.wait()
    with Store.open(store_url) as store:
        cursor = store.cursor("turn")
        assert cursor is not None
        last = cursor["turn"]
        assert isinstance(last, int)
        assert last >= last_acknowledged
        assert store.count_facts()["features"] == (last + 1) * PROFILES
        values = store.as_of().features("taste", list(range(PROFILES)), 10**9).values
        assert np.unique(values).tolist() == [last]
        with store.begin(0) as writer:
            writer.append(
                [FeatureFact("taste", 1, 10**6, 0, np.zeros(2, np.float32))],
                source="test",
                synthetic=True,
            )


@pytest.mark.scaled
def test_readers_see_whole_transactions_while_a_writer_goes_on(
    store_url: str, appending: subprocess.Popen[str], tmp_path: Path
) -> None:
    acknowledged = turns(appending)
    next(acknowledged)
    seen: list[list[float]] = []
    stop = threading.Event()

    def read(store: Store) -> None:
        while not stop.is_set():
            for reader in (store.as_of(), store.current()):
                values = reader.features("taste", list(range(PROFILES)), 10**9).values
                seen.append(np.unique(values).tolist())

    with Store.open(store_url) as store:
        readers = [threading.Thread(target=read, args=(store,)) for _ in range(4)]
        for reader in readers:
            reader.start()
        while next(acknowledged) < effort(60, 300):
            pass
        stop.set()
        for reader in readers:
            reader.join()
    assert len({tuple(values) for values in seen}) > 1
    assert all(len(values) == 1 for values in seen)
    assert (tmp_path / "store.db-wal").stat().st_size < 32 << 20


def test_the_service_runs_by_hand_and_stops_when_told(store_url: str) -> None:
    with Store.open(store_url) as store, store.begin(0) as writer:
        writer.register(TASTE)
    readable, writable = os.pipe()
    arguments = [
        *("--store", store_url, "--ready-fd", str(writable)),
        *("--address", "127.0.0.1:0", "--metrics-address", "127.0.0.1:0"),
    ]
    command = [sys.executable, "-m", "timetravel", *arguments]
    with subprocess.Popen(command, pass_fds=[writable], stderr=subprocess.PIPE) as process:
        os.close(writable)
        with os.fdopen(readable) as ready:
            addresses = json.loads(ready.readline())
        channel = connect_without_mesh(addresses["address"], CallContext("test", 0))
        with channel:
            assert TimeTravelClient(channel).feature_groups() == {"taste": TASTE}
        process.send_signal(signal.SIGTERM)
        process.communicate()
        assert process.returncode == 0


def test_the_service_says_what_is_wrong_with_its_store(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "timetravel", "--store", f"sqlite:///{tmp_path}/none.db"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "pagesim db upgrade --store" in done.stderr
    assert "Traceback" not in done.stderr
