"""Which fields of a feature space each video has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from services.page.ranges import expand_ranges
from worlds.features.fixed_point import to_fixed

if TYPE_CHECKING:
    from core.arrays import Int64Array
    from services.shared_facts.content import ContentEntries


@dataclass(frozen=True, slots=True, eq=False)
class SparseContent:
    """Hold which fields videos have, and the common value of a video's fields.

    Args:
        offsets: int64[videos + 1], where the fields of each video begin.
        fields: int64[entries], places in the field list.
        values: int64[videos] in fixed point.
    """

    offsets: Int64Array
    fields: Int64Array
    values: Int64Array

    @classmethod
    def of(cls, entries: ContentEntries) -> SparseContent:
        """Return the entries with integers wide enough to compute with."""
        return cls(
            entries.offsets.astype(np.int64),
            entries.fields.astype(np.int64),
            to_fixed(entries.values),
        )

    def spread(self, places: Int64Array) -> tuple[Int64Array, Int64Array]:
        """Return each field of each place's video, and which of the places it belongs to."""
        first = self.offsets[places]
        counts = self.offsets[places + 1] - first
        return (
            self.fields[expand_ranges(first, counts)],
            np.repeat(np.arange(len(places)), counts),
        )
