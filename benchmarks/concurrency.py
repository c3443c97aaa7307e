"""Four reader processes and a writer on one SQLite store: python -m benchmarks.concurrency.

Readers ask at random as-ofs, on the newest snapshot or an earlier one, and check that each
answer is of whole transactions. The size of the write-ahead log is looked at all the while.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from timetravel.database import migrate
from timetravel.facts.model import EntityKind, EventFact, EventKind, FeatureFact, FeatureGroup
from timetravel.store import Store

PROFILES = 300
FIELDS = 50
READERS = 4
TASTE = FeatureGroup(
    "taste", EntityKind.PROFILE, 1, tuple(f"f{number}" for number in range(FIELDS))
)
_LOOK_SECONDS = 0.01
_MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        seconds: How long it went on.
        transactions: Committed by the writer.
        reads: Answered to all readers.
        errors: What went wrong, in any process.
        peak_log_bytes: The largest that the write-ahead log was seen.
        store_bytes: Of the file at the end.
    """

    seconds: float
    transactions: int
    reads: int
    errors: list[str]
    peak_log_bytes: int
    store_bytes: int


def run(folder: Path, seconds: float, *, readers: int = READERS) -> Outcome:
    """Let readers and a writer work on a store in a folder."""
    path = folder / "store.db"
    migrate.upgrade(f"sqlite:///{path}")
    with Store.open(f"sqlite:///{path}") as store, store.begin(0) as writer:
        writer.register(TASTE)
        writer.append(_facts(0), source="benchmark", synthetic=True)
    roles = ["write", *["read"] * readers]
    command = [sys.executable, "-m", "benchmarks.concurrency", "--store", f"sqlite:///{path}"]
    processes = [
        subprocess.Popen(
            [*command, "--seconds", str(seconds), "--role", role, "--seed", str(seed)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed, role in enumerate(roles)
    ]
    began, peak = time.monotonic(), 0
    log = path.with_name(f"{path.name}-wal")
    while any(process.poll() is None for process in processes):
        peak = max(peak, log.stat().st_size if log.exists() else 0)
        time.sleep(_LOOK_SECONDS)
    done, errors = [0, 0], list[str]()
    for role, process in zip(roles, processes, strict=True):
        output, messages = process.communicate()
        if process.returncode:
            errors.append(f"{role}: {messages.strip().splitlines()[-1:]}")
        else:
            done[role == "read"] += int(output)
    took = time.monotonic() - began
    return Outcome(took, done[0], done[1], errors, peak, path.stat().st_size)


def write(store: Store, seconds: float) -> int:
    """Append transactions for some time, and return how many."""
    turn, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        turn += 1
        with store.begin(turn) as writer:
            writer.append(_facts(turn), source="benchmark", synthetic=True)
    return turn


def read(store: Store, seconds: float, seed: int) -> int:
    """Ask for some time, check every answer, and return how many there were."""
    chance = np.random.default_rng(seed)
    reads, end = 0, time.monotonic() + seconds
    profiles = np.arange(PROFILES)
    while time.monotonic() < end:
        newest = store.snapshot()
        snapshot = int(chance.integers(2, newest + 1))
        at = int(chance.integers(0, newest))
        reader = store.as_of(snapshot)
        found = reader.features(TASTE.name, profiles, at)
        expected = min(at, snapshot - 2)
        if np.unique(found.values).tolist() != [expected]:
            raise AssertionError(f"at {at}, snapshot {snapshot}: {np.unique(found.values)}")
        history = reader.history(profiles[:20], at, max_events=5)
        if history.event_at.max() != expected:
            raise AssertionError(f"at {at}, snapshot {snapshot}: {history.event_at.max()}")
        reads += 2
    return reads


def _facts(turn: int) -> list[FeatureFact | EventFact]:
    vector = np.full(FIELDS, turn, np.float32)
    return [
        *(FeatureFact(TASTE.name, one, turn, turn, vector) for one in range(PROFILES)),
        *(
            EventFact(f"{one}-{turn}", one, turn, EventKind.PLAY, turn, 1.0, turn)
            for one in range(PROFILES)
        ),
    ]


def main() -> None:
    """Print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--store")
    parser.add_argument("--role", choices=("read", "write"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.role is None:
        with tempfile.TemporaryDirectory() as folder:
            outcome = run(Path(folder), options.seconds)
        print(json.dumps(asdict(outcome), indent=2))
        print(f"peak of the log: {outcome.peak_log_bytes / _MEGABYTE:.1f} MiB")
        sys.exit(bool(outcome.errors))
    with Store.open(options.store) as store:
        if options.role == "write":
            print(write(store, options.seconds))
        else:
            print(read(store, options.seconds, options.seed))


if __name__ == "__main__":
    main()
