"""Measures making pages in one process, without a mesh: CPU per page.

    python -m benchmarks.pages [--store URL] [--pages NUMBER] [--members NUMBER]

The store is one that was lived, such as `make demo` leaves. In the middle of its life, pages
are made every two minutes for so many members: as dense as a million pages over sixty days.
Batches have 512 pages; the first, which reads the catalogue, is not counted. The digest at the
end is of all pages: equal before and after a change of the code that changes no page.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from random import Random

from services.in_process import InProcessAssembler
from services.page.model import PageRequests
from timetravel.store import Store

BATCH_PAGES = 512
PAUSE_MICROS = 112 * 1_000_000


def main() -> None:
    """Make the pages, and print what each cost."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pages", description="Measure making pages in one process."
    )
    parser.add_argument("--store", default="sqlite:///demo/store.db")
    parser.add_argument("--pages", type=int, default=10_000)
    parser.add_argument("--members", type=int, default=22, help="members at each moment")
    given = parser.parse_args()
    if given.pages < 2 * BATCH_PAGES:
        parser.error(f"--pages {given.pages}: give at least {2 * BATCH_PAGES}, two batches")
    digest, seconds, made = hashlib.sha256(), 0.0, 0
    with Store.open(given.store) as store:
        assembler = InProcessAssembler(store.as_of(store.snapshot()))
        drawn = draw(store, given.pages, given.members)
        for first in range(0, len(drawn), BATCH_PAGES):
            batch = drawn[first : first + BATCH_PAGES]
            requests = PageRequests.of(batch)
            began = time.process_time()
            pages = assembler.assemble(requests)
            if first:
                seconds += time.process_time() - began
                made += len(batch)
            digest.update("".join(pages.digests).encode())
    print(
        f"{made:,} pages, {given.members} members at each moment: {1e6 * seconds / made:.0f} us"
    )
    print(f"Digest: {digest.hexdigest()}")


def draw(store: Store, pages: int, members: int) -> list[tuple[int, int, str]]:
    """Return profile, moment and device of pages, by moment."""
    random = Random(7)  # noqa: S311 - a draw, not a secret
    shown = sorted(store.shown_pages(snapshot=store.snapshot()))
    middle = shown[len(shown) // 2][0]
    known = sorted({profile_id for at, profile_id, _ in shown if at <= middle})
    moments = [middle + number * PAUSE_MICROS for number in range(pages // members)]
    return [
        (profile_id, moment, random.choice(("tv", "phone", "web")))
        for moment in moments
        for profile_id in random.choices(known, k=members)
    ]


if __name__ == "__main__":
    main()
