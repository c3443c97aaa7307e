"""Visits: when members open the homepage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from worlds.errors import MalformedWorld
from worlds.records import MOMENT
from worlds.timeline import open_records

if TYPE_CHECKING:
    from pathlib import Path

    from core.arrays import Int64Array

FILE_NAME: Final = "visits.parquet"
_SCHEMA: Final = pa.schema(
    [
        pa.field("shown_at", MOMENT, nullable=False),
        pa.field("profile_id", pa.int64(), nullable=False),
        pa.field("device", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True, eq=False)
class Visits:
    """Hold visits by moment, then by profile.

    Args:
        shown_at: int64[visits], microseconds, ascending.
        profile_ids: int64[visits]; a profile visits once at a moment.
        devices: Device of each.
    """

    shown_at: Int64Array
    profile_ids: Int64Array
    devices: tuple[str, ...]

    def __post_init__(self) -> None:
        if not len(self.shown_at) == len(self.profile_ids) == len(self.devices):
            raise MalformedWorld(
                f"{len(self.shown_at)} moments, {len(self.profile_ids)} profiles and "
                f"{len(self.devices)} devices are not visits.",
                remedy="Give one of each for every visit.",
                field="visits",
            )
        later = np.diff(self.shown_at)
        if np.any((later < 0) | ((later == 0) & (np.diff(self.profile_ids) <= 0))):
            raise MalformedWorld(
                "The visits are not in order, or a profile visits twice at one moment.",
                remedy="Sort them by moment and profile, each once.",
                field="visits",
            )

    def __len__(self) -> int:
        return len(self.shown_at)

    def count_until(self, moment: int) -> int:
        """Return how many visits there are up to and including a moment."""
        return int(np.searchsorted(self.shown_at, moment, side="right"))

    @classmethod
    def sort(
        cls, shown_at: Int64Array, profile_ids: Int64Array, devices: tuple[str, ...]
    ) -> Visits:
        """Return visits given in any order."""
        order = np.lexsort((profile_ids, shown_at))
        return cls(
            shown_at[order], profile_ids[order], tuple(devices[place] for place in order)
        )

    def write(self, path: Path) -> None:
        """Write the visits to a Parquet file."""
        columns = [
            pa.array(self.shown_at).cast(MOMENT),
            pa.array(self.profile_ids),
            pa.array(self.devices, pa.string()),
        ]
        pq.write_table(pa.table(columns, schema=_SCHEMA), path, compression="zstd")


def read_visits(path: Path) -> Visits:
    """Return the visits in a file.

    Raises:
        MalformedWorld: It is missing or damaged, or its visits are not in order.
    """
    with open_records(path, _SCHEMA) as file:
        table = file.read()
    return Visits(
        table["shown_at"].cast(pa.int64()).to_numpy(),
        table["profile_id"].to_numpy(),
        tuple(table["device"].to_pylist()),
    )
