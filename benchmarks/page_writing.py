"""Measures writing the pages of a partition: CPU and memory, by the number of pages.

    python -m benchmarks.page_writing [--pages NUMBER ...]

One batch of 512 pages of the test world is made once and written again and again under other
moments, so that the figures are those of writing alone. Each number of pages is written by a
process of its own; its memory is what it holds at most above what it held before.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from experiments.generation.external_ids import PageIds
from experiments.generation.pages import ChunkTables, PartitionPath
from experiments.generation.partitions import CHUNK_PAGES
from experiments.scope.page_keys import PageKeys, repeat_text
from services.in_process import InProcessAssembler
from services.page.model import PageRequests
from tests.support.pages.page_worlds import DAY, START, make_world

BATCH_PAGES = 512


def main() -> None:
    """Write partitions of several sizes, and print what each page cost."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.page_writing", description="Measure writing pages."
    )
    parser.add_argument("--pages", type=int, nargs="+", default=[7_000, 50_000, 500_000])
    print(
        f"{'pages':>9}{'us of CPU per page':>20}{'peak memory above, MB':>24}{'MB on disk':>13}"
    )
    spawning = multiprocessing.get_context("spawn")
    for pages in parser.parse_args().pages:
        with spawning.Pool(1) as pool:
            seconds, peak_bytes, disk_bytes = pool.apply(measure, (pages,))
        print(
            f"{pages:>9,}{1e6 * seconds / pages:>20.1f}{peak_bytes / 1e6:>24.0f}"
            f"{disk_bytes / 1e6:>13.1f}"
        )


def measure(pages: int) -> tuple[float, int, int]:
    """Return seconds of CPU, bytes of memory and bytes on disk of writing so many pages."""
    world = make_world(3, videos=600, profiles=BATCH_PAGES)
    moment = START + 20 * DAY
    requests = PageRequests.of([(one, moment, "tv") for one in world.profile_ids])
    profile_ids = np.array(world.profile_ids)
    assembled = InProcessAssembler(world.reader()).assemble(requests)
    with tempfile.TemporaryDirectory() as name:
        path = PartitionPath(Path(name), "writing", "control", "000")
        before, began = peak(), time.process_time()
        batches = -(-pages // BATCH_PAGES)
        for chunk, first in enumerate(range(0, batches, CHUNK_PAGES // BATCH_PAGES)):
            tables = ChunkTables(PageIds.by_numbers())
            for number in range(first, min(first + CHUNK_PAGES // BATCH_PAGES, batches)):
                keys = PageKeys(
                    np.full(BATCH_PAGES, moment + number),
                    profile_ids,
                    *(repeat_text(one, BATCH_PAGES) for one in ("tv", "US", "country=US")),
                )
                tables.add(keys, assembled)
            tables.write(path, chunk)
        seconds = time.process_time() - began
        return (
            seconds,
            peak() - before,
            sum(
                file.stat().st_size for table in ("pages", "rows") for file in path.files(table)
            ),
        )


def peak() -> int:
    """Return the most bytes of memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
