"""The share of the catalogue that a set of pages shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from experiments.metrics.definitions.definition import OVERALL

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from core.arrays import Int64Array
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
        cells = np.diff(pages.cell_starts[pages.row_starts])
        stratum_of = np.repeat(encoded.indices.to_numpy(), cells)
        is_shown = np.zeros((len(encoded.dictionary), len(video_ids)), np.bool_)
        is_shown[stratum_of, pages.videos] = True
        for stratum, own in zip(encoded.dictionary.to_pylist(), is_shown, strict=True):
            for name in {stratum, OVERALL}:
                before = self._shown.get((variant, name), np.zeros(0, np.int64))
                self._shown[variant, name] = np.union1d(before, video_ids[own])

    def counts(self) -> Mapping[tuple[str, str], int]:
        """Return how many different videos each variant and stratum shows."""
        return {key: len(shown) for key, shown in self._shown.items()}


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
