"""The share of the catalogue that a set of pages shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.kernel import kernel, kernel_array
from experiments.metrics.definitions.definition import OVERALL

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from core.arrays import BoolArray, Int32Array, Int64Array
    from experiments.metrics.definitions.columns import Pages


class ShownVideos:
    """Collect which videos the pages of each variant and stratum show, slice by slice."""

    def __init__(self) -> None:
        self._shown: dict[tuple[str, str], Int64Array] = {}

    def add(self, variant: str, strata: pa.Array, pages: Pages, video_ids: Int64Array) -> None:
        """Take in pages of a variant.

        Args:
            variant: Whose.
            strata: string[pages].
            pages: Columns of the pages.
            video_ids: int64[videos], by code.
        """
        encoded = strata.dictionary_encode()
        is_shown = np.zeros((len(encoded.dictionary), len(video_ids)), np.bool_)
        note_shown(pages, kernel_array(encoded.indices.to_numpy(), np.int32), is_shown)
        for stratum, own in zip(encoded.dictionary.to_pylist(), is_shown, strict=True):
            for name in {stratum, OVERALL}:
                before = self._shown.get((variant, name), np.zeros(0, np.int64))
                self._shown[variant, name] = np.union1d(before, video_ids[own])

    def counts(self) -> Mapping[tuple[str, str], int]:
        """Return how many different videos each variant and stratum shows."""
        return {key: len(shown) for key, shown in self._shown.items()}


@kernel
def note_shown(pages: Pages, strata: Int32Array, is_shown: BoolArray) -> None:
    """Mark the videos that pages show.

    Args:
        pages: Columns of the pages.
        strata: int32[pages], number of each page's stratum.
        is_shown: bool[strata, videos], changed.
    """
    for page in range(len(strata)):
        first, last = pages.row_starts[page], pages.row_starts[page + 1]
        for cell in range(pages.cell_starts[first], pages.cell_starts[last]):
            is_shown[strata[page], pages.videos[cell]] = True


def coverage(shown: int, catalogue_size: int) -> float:
    """Measure the share of the catalogue that stands on at least one page of the set.

    A set-level figure: it grows with the number of pages, so it can be compared between
    variants, which have the same pages, and not between strata. It is not a mean over pages and
    has no interval.

    Args:
        shown: Different videos on the pages.
        catalogue_size: Videos of the listing at the last as-of.
    """
    return shown / max(catalogue_size, 1)
