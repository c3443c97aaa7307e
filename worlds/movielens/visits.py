"""When MovieLens members opened the homepage, inferred from their ratings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from worlds.durations import MINUTE_MICROS, SECOND_MICROS

if TYPE_CHECKING:
    from core.arrays import Int64Array

LEAD_MICROS: Final = 60 * SECOND_MICROS
"""A page is shown so long before the rating that it may have led to."""
PAUSE_MICROS: Final = 30 * MINUTE_MICROS
AGAIN_MICROS: Final = 15 * MINUTE_MICROS


def derive_visits(user_ids: Int64Array, rated_at: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Return who visits, and when: int64[visits] each, by member and then by moment.

    A member visits a minute before the first rating ever and before the first one after half
    an hour without; and, while it goes on, a minute before the first rating for which a
    quarter of an hour has passed since the last visit.

    Args:
        user_ids: int64[ratings].
        rated_at: int64[ratings], microseconds.
    """
    order = np.lexsort((rated_at, user_ids))
    chosen: list[int] = []
    user, rated, shown = -1, 0, 0
    for place, (next_user, moment) in enumerate(
        zip(user_ids[order].tolist(), rated_at[order].tolist(), strict=True)
    ):
        may_show = moment - LEAD_MICROS
        is_first = next_user != user or moment - rated >= PAUSE_MICROS
        if is_first or may_show - shown >= AGAIN_MICROS:
            chosen.append(place)
            shown = may_show
        user, rated = next_user, moment
    visits = order[np.array(chosen, np.int64)]
    return user_ids[visits], rated_at[visits] - LEAD_MICROS
