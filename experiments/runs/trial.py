"""Some pages of a run, made in this process before it: what they are, and what they take."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from experiments.generation.generator import cut_batches, make_requests
from experiments.generation.lineage import check_lineage
from experiments.runs.page_yield import Tally
from experiments.scope.draw import take_first
from experiments.scope.page_keys import join_texts
from experiments.scope.scope import share_out
from services.in_process import InProcessAssembler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from core.arrays import Int64Array
    from experiments.generation.external_ids import PageIds
    from experiments.generation.segments import Advance
    from experiments.runs.plan import RunPlan
    from experiments.scope.page_keys import PageKeys
    from experiments.spec.model import Variant
    from timetravel.reading.reader import FactReader

CALIBRATION_PAGES: Final = 2_048
"""Pages that are made of each variant to tell what one takes."""
_STRETCH_PAGES: Final = 256
_MICROS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class TrialPages:
    """Hold what a variant made of some pages.

    Attributes:
        variant: Its name.
        digests: Of each page, as a run writes it; "" for a page that could not be made.
        reasons: Pages that could not be made, by what kept them.
        cpu_seconds: CPU that they took.
    """

    variant: str
    digests: tuple[str, ...]
    reasons: Counter[str]
    cpu_seconds: float

    @property
    def failures(self) -> int:
        """Pages that could not be made."""
        return self.reasons.total()

    @property
    def made(self) -> int:
        """Pages that were made."""
        return len(self.digests) - self.failures

    @property
    def page_micros(self) -> float:
        """CPU of a page."""
        return _MICROS * self.cpu_seconds / len(self.digests)

    @property
    def tally(self) -> Tally:
        """The pages as a run counts them."""
        tried = len(self.digests)
        return Tally(f"variant {self.variant}", tried, tried, self.reasons)

    def count_differing(self, control: TrialPages) -> tuple[int, int]:
        """Return how many pages differ from control's, and how many both have made."""
        both = [
            own != other
            for own, other in zip(self.digests, control.digests, strict=True)
            if own and other
        ]
        return sum(both), len(both)


class Trial:
    """Make pages of a run in this process, as the run would.

    Args:
        plan: Of the run.
        reader: Reads the facts of its snapshot, as known by what the experiment says.
        page_ids: Names its pages.
        cpu_seconds: CPU of this process so far.
    """

    def __init__(
        self,
        plan: RunPlan,
        reader: FactReader,
        page_ids: PageIds,
        cpu_seconds: Callable[[], float],
    ) -> None:
        self._known_by_micros = plan.spec.known_by_micros
        self._reader = reader
        self._page_ids = page_ids
        self._cpu_seconds = cpu_seconds

    def make(
        self,
        variant: Variant,
        batches: Sequence[PageKeys],
        advance: Advance,
        *,
        warms_up: bool = False,
    ) -> TrialPages:
        """Return the pages of a variant.

        Args:
            variant: Whose.
            batches: The pages, at least one.
            advance: Told how many more pages were tried.
            warms_up: Whether to make a batch that is not measured first: a run of many pages
                hardly notices what is done once.

        Raises:
            LeakedPages: A page used what was not yet known.
            PagesimError: The fault does not lie with single pages.
        """
        assembler = InProcessAssembler(
            self._reader, configuration_overlay=variant.configuration
        )
        if warms_up:
            assembler.assemble(make_requests(batches[0]))
            assembler.forget()
        digests: list[str] = []
        reasons: Counter[str] = Counter()
        began = self._cpu_seconds()
        for keys in batches:
            pages = assembler.assemble(make_requests(keys))
            check_lineage(pages, self._known_by_micros, self._page_ids)
            digests.extend(pages.digests)
            reasons.update(failure.reason for failure in pages.failures)
            advance(len(keys))
        taken = self._cpu_seconds() - began
        return TrialPages(variant.name, tuple(digests), reasons, taken)


def cut_calibration(plan: RunPlan) -> tuple[PageKeys, ...]:
    """Return batches of a run from stretches of it that lie as far apart as each other.

    Batches are those of the run, several in a row: pages that are close in time share work.
    """
    chunks = _find_chunks(plan)
    batch_pages = plan.spec.limits.batch_pages
    size = batch_pages * max(_STRETCH_PAGES // batch_pages, 1)
    count = max(CALIBRATION_PAGES // size, 1)
    ends = np.cumsum([len(pages) for pages in chunks])
    places = (2 * np.arange(count) + 1) * plan.pages // (2 * count)
    found = np.searchsorted(ends, places, side="right").tolist()
    within = (places - ends[found] + [len(chunks[chunk]) for chunk in found]) // size
    stretches = sorted(set(zip(found, within.tolist(), strict=True)))
    return tuple(
        batch
        for chunk, stretch in stretches
        for batch in cut_batches(
            chunks[chunk][stretch * size : (stretch + 1) * size], batch_pages
        )
    )


def draw_pages(plan: RunPlan, count: int) -> tuple[PageKeys, ...]:
    """Return batches of pages drawn from a run, by its seed: as many as asked, or all of it.

    Strata share them in proportion to their pages, as `experiments.scope.scope.share_out` has
    it; within a stratum they are drawn uniformly.
    """
    chunks = _find_chunks(plan)
    strata = join_texts(pages.strata for pages in chunks)
    names, codes = strata.dictionary.to_pylist(), strata.indices.to_numpy()
    sizes = dict(zip(names, np.bincount(codes, minlength=len(names)).tolist(), strict=True))
    quotas = share_out(min(count, plan.pages), sizes)
    places = take_first(
        codes,
        np.array([quotas[name] for name in names]),
        plan.spec.seed,
        np.concatenate([pages.profile_ids for pages in chunks]),
        np.concatenate([pages.as_of_micros for pages in chunks]),
    )
    return tuple(_take(chunks, places, plan.spec.limits.batch_pages))


def _take(
    chunks: Sequence[PageKeys], places: Int64Array, batch_pages: int
) -> Iterator[PageKeys]:
    """Yield the pages at ascending places of all chunks, in batches."""
    begin = 0
    for pages in chunks:
        end = begin + len(pages)
        first, last = np.searchsorted(places, [begin, end])
        yield from cut_batches(pages.take(places[first:last] - begin), batch_pages)
        begin = end


def _find_chunks(plan: RunPlan) -> list[PageKeys]:
    return [pages for one in plan.slices for pages in one.chunks]
