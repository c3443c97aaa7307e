"""Reads many random files as ingest does, hostile and damaged ones among them.

    python -m benchmarks.ingest_inputs [--inputs NUMBER] [--seed NUMBER]

Each file is CSV, JSON Lines or Parquet with columns of any Arrow type; of a third some bytes
are changed. Every fact that is taken is compared with a plain reading of its cells
(`tests/support/facts/ingest_inputs.py`). Ends with the first input that fails, by its seed.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from tests.support.facts.dirty_facts import seeded
from tests.support.facts.ingest_inputs import check_input, load_mappings, random_input
from tests.support.facts.ingest_service import register_groups
from timetravel.database import migrate
from timetravel.store import Store

_TOLD_EVERY = 10_000


def main() -> None:
    """Read the files, and print how many facts they gave."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ingest_inputs",
        description="Read random files as ingest does, and check every fact.",
    )
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    namespace = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        read_inputs(Path(name), namespace.seed, namespace.inputs)


def read_inputs(folder: Path, first: int, count: int) -> None:
    """Read the files of seeds that follow each other."""
    url = f"sqlite:///{folder}/store.db"
    migrate.upgrade(url)
    with Store.open(url) as store:
        register_groups(store)
        registry = store.registry()
    mappings = load_mappings(folder)
    facts, began = 0, time.process_time()
    for number in range(count):
        one = random_input(seeded(first + number), folder)
        try:
            facts += check_input(one, mappings[one.kind], registry)
        except Exception as error:
            raise SystemExit(f"seed {first + number} ({one.path.suffix}): {error!r}") from error
        if (number + 1) % _TOLD_EVERY == 0 or number + 1 == count:
            seconds = time.process_time() - began
            print(
                f"{number + 1:,} inputs, {facts:,} facts, all right; {seconds:,.0f} s of CPU",
                flush=True,
            )


if __name__ == "__main__":
    main()
