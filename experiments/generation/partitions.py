"""Partitions: one variant x one slice of time, each in its own stack, and made in chunks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from experiments.scope.page_keys import PageKeys
    from experiments.spec import Variant

CHUNK_PAGES: Final = 4_096
"""Pages of a chunk, rounded to whole batches: what is made again after a failure."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Say what every variant makes of a slice of time.

    Args:
        number: Of the slice, e.g. "000".
        chunks: Its pages, by moment, in the pieces that are written to a file each; never
            empty, though chunks may be when profiles were erased.
    """

    number: str
    chunks: tuple[PageKeys, ...]

    def __len__(self) -> int:
        return sum(len(pages) for pages in self.chunks)

    @property
    def as_of_micros(self) -> int:
        """The latest moment of its pages."""
        return max(int(pages.as_of_micros[-1]) for pages in self.chunks if len(pages))


@dataclass(frozen=True, slots=True)
class Partition:
    """Say what one stack makes: a variant's pages of one slice of time.

    Args:
        variant: Whose pages.
        slice: The pages; the same in every variant.
    """

    variant: Variant
    slice: Slice

    def __len__(self) -> int:
        return len(self.slice)

    @property
    def partition_id(self) -> str:
        """The slice's number, e.g. "000"; the same in every variant."""
        return self.slice.number

    @property
    def stack_id(self) -> str:
        """The id of its stack in the mesh."""
        return f"{self.variant.name}-{self.slice.number}"


def plan_slices(pages: PageKeys, slices: int, batch_pages: int) -> tuple[Slice, ...]:
    """Return the slices of an experiment that have pages.

    Args:
        pages: What every variant makes.
        slices: Slices of time; each gets as many pages as the next, give or take one.
        batch_pages: Pages of a batch; a chunk holds whole batches.
    """
    ordered = pages.by_moment()
    bounds = [len(ordered) * number // slices for number in range(slices + 1)]
    size = batch_pages * max(CHUNK_PAGES // batch_pages, 1)
    return tuple(
        Slice(
            f"{number:03d}",
            tuple(
                ordered[start : min(start + size, last)] for start in range(first, last, size)
            ),
        )
        for number, (first, last) in enumerate(pairwise(bounds))
        if first < last
    )


def plan_partitions(
    slices: Sequence[Slice], variants: Sequence[Variant]
) -> tuple[Partition, ...]:
    """Return the partitions of an experiment, slice by slice, control first."""
    return tuple(Partition(variant, one) for one in slices for variant in variants)
