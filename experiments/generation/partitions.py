"""Partitions: one variant x one slice of time, each in its own stack, and made in chunks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from experiments.scope.page_keys import PageKeys
    from experiments.spec import Variant


CHUNK_PAGES: Final = 4_096
"""Pages of a chunk, rounded to whole batches: what is made again after a failure."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Say what is written to one file.

    Args:
        number: Its place in the partition, from 0.
        pages: By moment; never empty.
    """

    number: int
    pages: PageKeys


@dataclass(frozen=True, slots=True)
class Partition:
    """Say what one stack makes: a variant's pages of one slice of time.

    Args:
        partition_id: The slice's number, e.g. "000"; the same in every variant.
        variant: Whose pages.
        pages: By moment; never empty.
    """

    partition_id: str
    variant: Variant
    pages: PageKeys

    @property
    def as_of_micros(self) -> int:
        """The stack's clock: the latest moment of its pages."""
        return int(self.pages.as_of_micros[-1])

    @property
    def stack_id(self) -> str:
        """The id of its stack in the mesh."""
        return f"{self.variant.name}-{self.partition_id}"

    def chunks(self, batch_pages: int) -> Iterator[Chunk]:
        """Yield its chunks; they have the same pages in every variant.

        Args:
            batch_pages: Pages of a batch; a chunk holds whole batches.
        """
        size = batch_pages * max(CHUNK_PAGES // batch_pages, 1)
        for number, first in enumerate(range(0, len(self.pages), size)):
            yield Chunk(number, self.pages[first : first + size])


def plan_partitions(
    pages: PageKeys, variants: Sequence[Variant], slices: int
) -> tuple[Partition, ...]:
    """Return the partitions of an experiment, slice by slice, control first.

    Args:
        pages: What every variant makes.
        variants: Control first.
        slices: Slices of time; each gets as many pages as the next, give or take one.
    """
    ordered = pages.by_moment()
    bounds = [len(ordered) * number // slices for number in range(slices + 1)]
    return tuple(
        Partition(f"{number:03d}", variant, ordered[first:last])
        for number, (first, last) in enumerate(pairwise(bounds))
        if first < last
        for variant in variants
    )
