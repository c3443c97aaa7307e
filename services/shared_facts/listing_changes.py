"""What changed in the catalogue from one epoch to the next, so that only that is looked at.

Few videos change, and many share their values: so values are numbered once and for all, and
kept by video as numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from services.shared_facts.listing import find_positions

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

    from core.arrays import Int32Array
    from timetravel.reading.reader import CatalogueRows

Value = TypeVar("Value", bound="Hashable")
Number = TypeVar("Number", bound=np.generic)


class Numbering(Generic[Value]):
    """Number values as they turn up.

    Args:
        first: The value with the number 0.
    """

    def __init__(self, first: Value) -> None:
        self._values = [first]
        self._numbers = {first: 0}

    def number(self, value: Value) -> int:
        """Return the number of a value."""
        number = self._numbers.setdefault(value, len(self._values))
        if number == len(self._values):
            self._values.append(value)
        return number

    def values(self) -> tuple[Value, ...]:
        """Return all values so far, by number."""
        return tuple(self._values)


@dataclass(frozen=True, slots=True, eq=False)
class ListingChanges:
    """Say what is not as it was in an earlier listing.

    Args:
        places: int32[videos], the place of each video in the earlier listing; -1 for a new one.
        changed: Places of videos that are new, or of which a value changed; ascending.
    """

    places: Int32Array
    changed: Sequence[int]

    def carry_over(self, earlier: NDArray[Number]) -> NDArray[Number]:
        """Return what was known of each video, any[videos]; 0 for new ones."""
        kept = self.places >= 0
        carried = np.zeros(len(self.places), earlier.dtype)
        carried[kept] = earlier[self.places[kept]]
        return carried


def find_changes(
    before: CatalogueRows | None, rows: CatalogueRows, names: Sequence[str]
) -> ListingChanges:
    """Return what changed since an earlier reading; without one, everything.

    Args:
        before: The earlier reading.
        rows: The later one.
        names: Attributes that count.
    """
    videos = len(rows.video_ids)
    if before is None:
        return ListingChanges(np.full(videos, -1, np.int32), range(videos))
    places = find_positions(before.video_ids, rows.video_ids)
    same_listing = len(before.video_ids) == videos and bool((places >= 0).all())
    changed: set[int] = set(np.flatnonzero(places < 0).tolist())
    for name in names:
        old, new = before.columns[name], rows.columns[name]
        if old is new and same_listing:
            continue
        if not same_listing:
            old = [old[place] if place >= 0 else None for place in places.tolist()]
        # Most values are the same object or equal, which this finds out fastest.
        changed.update(
            video
            for video, (was, now) in enumerate(zip(old, new, strict=True))
            if was is not now and was != now
        )
    return ListingChanges(places, sorted(changed))
