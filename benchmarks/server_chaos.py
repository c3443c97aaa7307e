"""Kills every component of a server while it works: python -m benchmarks.server_chaos.

    python -m benchmarks.server_chaos [--kills N] [--slices N] [--backend sqlite|postgresql]

A small world is lived, and `pagesim run` makes an experiment of many partitions. A server then
makes the same experiment, while its components are killed with SIGKILL in turn: each while it
has work, and each only after another one works in place of the last. At the end all files are
compared. PostgreSQL needs PAGESIM_POSTGRES_URL (see scripts/with-postgres).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from itertools import cycle, islice
from pathlib import Path

from tests.support.commands import COMMAND
from tests.support.experiment_server import (
    EXPERIMENT,
    STEP_THAT_PLANS,
    VICTIMS,
    kill,
    made_in,
    own_settings,
    serve,
)

SIZES = ("--profiles", "40", "--videos", "200", "--days", "20", "--seed", "3")


def main() -> None:
    """Kill, compare, and print what was killed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server_chaos")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--slices", type=int, default=60)
    parser.add_argument("--backend", choices=("sqlite", "postgresql"), default="sqlite")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        measure(Path(directory), given.kills, given.slices, given.backend)


def measure(directory: Path, kills: int, slices: int, backend: str) -> None:
    """Make an experiment twice, calmly and under kills, and compare."""
    store = live_world(directory)
    text = EXPERIMENT.replace("slices: 3", f"slices: {slices}")
    experiment = directory / "experiment.yaml"
    experiment.write_text(text)
    calm = directory / "calm"
    began = time.monotonic()
    run_command("run", experiment, "--store", store, "--output", calm)
    print(f"pagesim run, undisturbed: {time.monotonic() - began:.0f} s")
    # An experiment is planned once.
    turns = [
        STEP_THAT_PLANS,
        *islice(cycle(one for one in VICTIMS if one != STEP_THAT_PLANS), kills - 1),
    ]
    with own_settings(backend, store, directory) as settings, serve(settings) as served:
        began = time.monotonic()
        experiment_id = served.submit(text)
        for victim in turns:
            kill(served, experiment_id, victim)
            print(f"{time.monotonic() - began:6.0f} s  {victim} killed, and back", flush=True)
        run = served.finish(experiment_id)
        seconds = time.monotonic() - began
        progress = served.tables.open_queue(experiment_id).progress()
    equal = made_in(run) == made_in(calm)
    pages = sum(one.pages for one in progress)
    print(f"{backend}: {sum(Counter(turns).values())} kills in {seconds:.0f} s, {pages} pages")
    for victim, count in sorted(Counter(turns).items()):
        print(f"  {victim:<28} {count}")
    print(f"files equal, byte for byte: {'yes' if equal else 'NO'}")
    sys.exit(not equal)


def live_world(directory: Path) -> str:
    """Live a small world, and return its store."""
    world, store = directory / "world", f"sqlite:///{directory / 'store.db'}"
    run_command("world", "generate", "--world", world, *SIZES)
    run_command("db", "upgrade", "--store", store)
    run_command("world", "live", "--world", world, "--store", store)
    return store


def run_command(*arguments: object) -> None:
    """Run a command of pagesim to its end."""
    subprocess.run([*COMMAND, *map(str, arguments)], check=True, capture_output=True)


if __name__ == "__main__":
    main()
