"""What a store can still answer after retention removed superseded versions.

Whatever is asked at T, as known by K, on snapshot S with T and K not before `since` and S not
before `snapshot` is answered as if nothing had ever been let go; everything else is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from core.moments import EARLIEST_MICROS, format_moment
from timetravel.errors import BeforeRetention

if TYPE_CHECKING:
    from timetravel.reading.reader import Moments


@dataclass(frozen=True, slots=True)
class Retained:
    """From where on the store has all versions that can be seen.

    Attributes:
        since: The first moment, microseconds.
        snapshot: The first snapshot.
        upkeep_id: The newest retention, 0 if there was none.
    """

    since: int = EARLIEST_MICROS
    snapshot: int = 0
    upkeep_id: int = 0

    def check_view(self, snapshot: int, known_by: int | None) -> None:
        """Refuse a snapshot, or a moment of knowledge, that lies too early.

        Raises:
            BeforeRetention: It does.
        """
        if snapshot < self.snapshot:
            raise BeforeRetention(
                f"Versions that only snapshots before {self.snapshot} could see have been let "
                f"go of; this is snapshot {snapshot}.",
                remedy="Read a later snapshot, or restore a backup from before retention.",
                field="snapshot",
            )
        if known_by is not None and known_by < self.since:
            raise self._too_early(known_by, field="known_by")

    def check_moments(self, at: Moments) -> None:
        """Refuse moments that lie too early.

        Raises:
            BeforeRetention: One of them does.
        """
        if self.since == EARLIEST_MICROS:
            return
        first = int(np.min(at, initial=np.iinfo(np.int64).max))
        if first < self.since:
            raise self._too_early(first, field="as_of")

    def _too_early(self, moment: int, *, field: str) -> BeforeRetention:
        return BeforeRetention(
            f"What was superseded before {format_moment(self.since)} was removed by retention; "
            f"{format_moment(moment)} is earlier.",
            remedy="Ask for a later moment, or restore a backup from before retention.",
            field=field,
        )


EVERYTHING: Final = Retained()
"""Nothing was ever removed by retention."""
