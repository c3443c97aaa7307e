"""The in-process assembler over many moments."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from services.in_process import InProcessAssembler
from services.page.model import PageRequests
from services.shared_facts.facts import CAPACITY
from tests.support.pages.page_worlds import DAY, START, PromisingNothing, make_world

if TYPE_CHECKING:
    from collections.abc import Sequence

    from timetravel.reading.reader import CatalogueRows, DocumentVersion, FactReader


class Counting(PromisingNothing):
    """Counts how often what pages share is read."""

    def __init__(self, reader: FactReader) -> None:
        super().__init__(reader)
        self.catalogues: Counter[int] = Counter()
        self.configurations: Counter[int] = Counter()

    def catalogue(self, at: int, names: Sequence[str]) -> CatalogueRows:
        self.catalogues[at] += 1
        return super().catalogue(at, names)

    def document(self, collection: str, name: str, at: int) -> DocumentVersion:
        if collection == "configuration":
            self.configurations[at] += 1
        return super().document(collection, name, at)


def many_moments(profile_ids: list[int]) -> PageRequests:
    hours = range(3 * CAPACITY + 5)
    pages = [
        (profile_ids[hour % len(profile_ids)], START + DAY + hour * DAY // 3, "tv")
        for hour in hours
    ]
    return PageRequests.of(pages[::-1])


def test_a_batch_of_many_moments_holds_the_pages_of_each() -> None:
    world = make_world(3)
    requests = many_moments(world.profile_ids)
    together = InProcessAssembler(world.reader()).assemble(requests)
    alone = InProcessAssembler(world.reader())
    for index in range(len(requests)):
        one = alone.assemble(requests.take(np.array([index])))
        assert together.digests[index] == one.digests[0]
    assert [failure.index for failure in together.failures] == [
        index for index, digest in enumerate(together.digests) if not digest
    ]


def test_what_pages_share_is_read_once_per_moment_even_when_nothing_is_promised() -> None:
    world = make_world(3)
    reader = Counting(world.reader())
    requests = many_moments(world.profile_ids)
    InProcessAssembler(reader).assemble(requests)
    moments = Counter(requests.as_of_micros.tolist())
    assert reader.catalogues == reader.configurations == moments


def test_what_a_reader_promises_is_read_again_only_when_told_to_forget() -> None:
    world = make_world(3)
    calls: list[int] = []

    class Listening(Counting):
        def catalogue(self, at: int, names: Sequence[str]) -> CatalogueRows:
            calls.append(at)
            return world.reader().catalogue(at, names)

    assembler = InProcessAssembler(Listening(world.reader()))
    requests = PageRequests.of([(world.profile_ids[1], START + 29 * DAY, "tv")])
    first = assembler.assemble(requests)
    assert assembler.assemble(requests).digests == first.digests
    assert len(calls) == 1
    assembler.forget()
    assert assembler.assemble(requests).digests == first.digests
    assert len(calls) == 2
