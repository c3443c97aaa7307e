"""Measures making pages in one process, without a mesh: CPU per page.

    python -m benchmarks.pages [--store URL] [--pages NUMBER] [--members NUMBER]

The store is one that was lived, such as `make demo` leaves; facts come from its segment, as in
a run. In the middle of its life, pages are made every two minutes for so many members: as dense
as a million pages over sixty days. They are made as configured and, batch by batch beside it,
with 30 rows of 40 videos. Batches have 512 pages; the first, which reads the catalogue, is not
counted. The digests are of all pages: equal before and after a change of the code that changes
no page.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from services.in_process import InProcessAssembler
from services.page.model import PageRequests
from timetravel.segments.reader import SegmentReader
from timetravel.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping

    from timetravel.facts.model import JsonValue

BATCH_PAGES = 512
PAUSE_MICROS = 112 * 1_000_000
WIDE: Mapping[str, JsonValue] = {
    "geometry": {
        "devices": {device: {"rows": 30, "columns": 40} for device in ("tv", "web", "phone")}
    },
    "row_selection": {"candidate_depth": 120},
}
"""Configuration overlay of the large pages; as many spare videos as the small ones have."""


class Measured:
    """Make pages of one shape, and add up what they took and what they hold."""

    def __init__(self, assembler: InProcessAssembler) -> None:
        self._assembler = assembler
        self._digest = hashlib.sha256()
        self._seconds = 0.0
        self._pages = self._rows = self._videos = 0

    def make(self, requests: PageRequests, *, counts: bool) -> None:
        """Make a batch; whether it counts, its pages go into the digest."""
        began = time.process_time()
        pages = self._assembler.assemble(requests)
        took = time.process_time() - began
        self._digest.update("".join(pages.digests).encode())
        if counts:
            self._seconds += took
            self._pages += len(requests)
            self._rows += len(pages.row_indexes)
            self._videos += len(pages.video_ids)

    @property
    def micros_per_page(self) -> float:
        """CPU of a page that counts."""
        return 1e6 * self._seconds / self._pages

    def line(self) -> str:
        """Return the figures, and the digest."""
        return (
            f"{self.micros_per_page:8.0f} us {self._rows / self._pages:8.1f} rows "
            f"{self._videos / self._pages:8.0f} videos   {self._digest.hexdigest()}"
        )


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
    with Store.open(given.store) as store:
        reader = SegmentReader(store.segment(store.snapshot()))
        drawn = draw(store, given.pages, given.members)
    shapes = {
        "as configured": Measured(InProcessAssembler(reader)),
        "30 x 40": Measured(InProcessAssembler(reader, configuration_overlay=WIDE)),
    }
    for first in range(0, len(drawn), BATCH_PAGES):
        requests = PageRequests.of(drawn[first : first + BATCH_PAGES])
        for measured in shapes.values():
            measured.make(requests, counts=first > 0)
    print(
        f"{len(drawn):,} pages, {given.members} members at each moment; CPU and size per page"
    )
    for name, measured in shapes.items():
        print(f"{name:14}{measured.line()}")


def draw(store: Store, pages: int, members: int) -> list[tuple[int, int, str]]:
    """Return profile, moment and device of pages, by moment."""
    random = Random(7)  # noqa: S311 - a draw, not a secret
    shown = store.shown_pages(snapshot=store.snapshot())
    middle = int(shown.shown_at[len(shown) // 2])
    known = np.unique(shown.profile_ids[shown.shown_at <= middle]).tolist()
    moments = [middle + number * PAUSE_MICROS for number in range(pages // members)]
    return [
        (profile_id, moment, random.choice(("tv", "phone", "web")))
        for moment in moments
        for profile_id in random.choices(known, k=members)
    ]


if __name__ == "__main__":
    main()
