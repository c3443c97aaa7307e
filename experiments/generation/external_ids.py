"""Ids as a store was given them, in what runs and validations write.

Columns of ids hold the numbers that a store has inside. Where these stand for texts, ids of
pages hold the texts, and two tables lead from the numbers to all others::

    RUN/ids/profiles.parquet   profile_id, external_id
    RUN/ids/videos.parquet     video_id, external_id
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.atomic_files import atomic_file
from core.moments import format_moment
from timetravel.facts.model import EntityKind
from timetravel.queries.entity_ids import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from core.arrays import Int64Array
    from experiments.scope.page_keys import PageKeys
    from timetravel.store import Store

_DATE_LENGTH: Final = len("2018-05-01")


@dataclass(frozen=True, slots=True, eq=False)
class PageIds:
    """Name pages by profile and moment, e.g. "1001@2024-01-05T10:00:00.000000Z".

    Args:
        numbers: int64[profiles], those that stand for texts, ascending.
        texts: string[profiles], the texts; none where profiles have numbers.
    """

    numbers: Int64Array
    texts: pa.StringArray

    @classmethod
    def by_numbers(cls) -> Self:
        """Return the names of pages in a store in which profiles have numbers."""
        return cls.by_texts({})

    @classmethod
    def by_texts(cls, texts: Mapping[int, str]) -> Self:
        """Return the names of pages of profiles whose numbers stand for texts."""
        numbers = np.array(sorted(texts), np.int64)
        return cls(
            numbers, pa.array([texts[number] for number in numbers.tolist()], pa.string())
        )

    @classmethod
    def of_store(cls, store: Store, profile_ids: Int64Array) -> Self:
        """Return the names of pages of some profiles, as their store was given them."""
        return cls.by_texts(store.entity_texts(EntityKind.PROFILE, profile_ids.tolist()))

    def one(self, profile_id: int, as_of_micros: int) -> str:
        """Return the id of a page: the same in every variant."""
        (profile,) = self._profiles(np.array([profile_id], np.int64)).to_pylist()
        return f"{profile}@{format_moment(as_of_micros)}"

    def of_keys(self, keys: PageKeys) -> pa.StringArray:
        """Return the ids of pages: string[pages]."""
        moments = pa.array(keys.as_of_micros).cast(pa.timestamp("us")).cast(pa.string())
        # Arrow writes a space where RFC 3339 has a T.
        rfc_3339 = pc.utf8_replace_slice(moments, _DATE_LENGTH, _DATE_LENGTH + 1, "T")
        profiles = self._profiles(keys.profile_ids)
        return pc.binary_join_element_wise(profiles, "@", rfc_3339, "Z", "")

    def _profiles(self, profile_ids: Int64Array) -> pa.StringArray:
        if not len(self.numbers):
            return pa.array(profile_ids).cast(pa.string())
        places = np.minimum(np.searchsorted(self.numbers, profile_ids), len(self.numbers) - 1)
        erased = self.numbers[places] != profile_ids
        return self.texts.take(pa.array(places, mask=erased)).fill_null(UNKNOWN)


def moment_of(page_id: str) -> str:
    """Return the moment in the id of a page, as text."""
    return page_id.rpartition("@")[2]


def write_external_ids(
    directory: Path, store: Store, profile_ids: Int64Array, snapshot: int
) -> None:
    """Write the texts of profiles, and of all videos of a snapshot; none where all are numbers.

    Args:
        directory: Of a run or a validation.
        store: That it reads.
        profile_ids: Whom it is about.
        snapshot: Append position up to which it reads.
    """
    listing = store.as_of(snapshot).entity_ids(EntityKind.VIDEO)
    for kind, entity_ids in ((EntityKind.PROFILE, profile_ids), (EntityKind.VIDEO, listing)):
        texts = store.entity_texts(kind, entity_ids.tolist())
        if texts:
            entity = kind.name.lower()
            numbers = sorted(texts)
            table = pa.table(
                {
                    f"{entity}_id": pa.array(numbers, pa.int64()),
                    "external_id": pa.array([texts[number] for number in numbers], pa.string()),
                }
            )
            target = directory / "ids" / f"{entity}s.parquet"
            target.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(target) as unfinished:
                pq.write_table(table, unfinished, compression="zstd")
