"""Engagement: which logged page an event followed.

The live system may have recorded the page, row and position with an event; then that is the
answer, as long as the page is not withdrawn. Otherwise an event belongs to the last page that
was shown to its profile before it, unless that is too long ago. An event at the very moment of
a page came before it, as nobody can act on what is not yet there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from core.moments import EARLIEST_MICROS
from timetravel.errors import InvalidQuestion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.arrays import Int64Array
    from timetravel.facts.model import Attribution
    from timetravel.reading.reader import HistoryRows

DAY_MICROS: Final = 86_400_000_000
NO_PAGE: Final = -1
"""The place of a page where an event followed none."""
NO_POSITION: Final = -1
"""The position of an event where none was recorded."""


@dataclass(frozen=True, slots=True, eq=False)
class EngagementRows:
    """Events of each row, as in `HistoryRows`, and the pages that they followed.

    Attributes:
        events: The events; newest_known_at takes in the pages as well.
        shown_at: int64[events], when the page was shown; EARLIEST_MICROS for none.
        row_ids: The row of the page, where that was recorded, else None.
        positions: int64[events], the place in the row, from 0; NO_POSITION for none.
    """

    events: HistoryRows
    shown_at: Int64Array
    row_ids: Sequence[str | None]
    positions: Int64Array


@dataclass(frozen=True, slots=True, eq=False)
class ShownPages:
    """Pages, in any order: int64[pages] each; owners say whose, as events are owned."""

    owners: Int64Array
    shown_at: Int64Array
    known_at: Int64Array


def check_horizon(horizon_micros: int) -> int:
    """Return for how long an event may follow a page; 0 means a day.

    Raises:
        InvalidQuestion: It is negative.
    """
    if horizon_micros < 0:
        raise InvalidQuestion(
            f"A horizon of {horizon_micros} microseconds lies in the past.",
            remedy="Give a positive time, or 0 for a day.",
            field="horizon_micros",
        )
    return horizon_micros or DAY_MICROS


def attribute_events(
    owners: Int64Array,
    event_at: Int64Array,
    page_owners: Int64Array,
    shown_at: Int64Array,
    *,
    horizon_micros: int,
) -> Int64Array:
    """Return for each event the index of the page that it followed, NO_PAGE for none.

    Args:
        owners: int64[events], whose each event is.
        event_at: int64[events], in microseconds.
        page_owners: int64[pages], whose each page is, in any order.
        shown_at: int64[pages], in microseconds; of two pages at one moment the latter counts.
        horizon_micros: An event so long after its page belongs to it still, a later one not.
    """
    everybody = np.concatenate([page_owners, owners])
    moments = np.concatenate([shown_at, event_at])
    is_event = np.arange(len(everybody)) >= len(page_owners)
    # Of one owner and moment events come first, so that a page does not precede them.
    order = np.lexsort((~is_event, moments, everybody))
    places = np.where(is_event[order], NO_PAGE, np.arange(len(order)))
    last_page = np.maximum.accumulate(places)
    followed = np.full(len(order), NO_PAGE)
    before = np.where(last_page == NO_PAGE, 0, last_page)
    near = (
        (last_page != NO_PAGE)
        & (everybody[order][before] == everybody[order])
        & (moments[order] - moments[order][before] <= horizon_micros)
    )
    followed[order] = np.where(near, order[before], NO_PAGE)
    found: Int64Array = followed[len(page_owners) :]
    return found


def attach_pages(
    events: HistoryRows,
    attributions: Sequence[Attribution | None],
    pages: ShownPages,
    *,
    horizon_micros: int,
) -> EngagementRows:
    """Return events with the pages that they followed.

    Args:
        events: Of many rows.
        attributions: What was recorded with each event.
        pages: Those visible to each row; owners are rows.
        horizon_micros: For how long an event may follow a page.
    """
    owners = np.repeat(np.arange(len(events.offsets) - 1), np.diff(events.offsets))
    followed = attribute_events(
        owners, events.event_at, pages.owners, pages.shown_at, horizon_micros=horizon_micros
    )
    places = {
        (owner, shown_at): place
        for place, (owner, shown_at) in enumerate(
            zip(pages.owners.tolist(), pages.shown_at.tolist(), strict=True)
        )
    }
    row_ids: list[str | None] = [None] * len(owners)
    positions = np.full(len(owners), NO_POSITION, np.int64)
    for event, recorded in enumerate(attributions):
        if recorded is None:
            continue
        place = places.get((int(owners[event]), recorded.shown_at))
        if place is not None:
            followed[event] = place
            row_ids[event], positions[event] = recorded.row_id, recorded.position
    newest = events.newest_known_at.copy()
    attributed = followed != NO_PAGE
    np.maximum.at(newest, owners[attributed], pages.known_at[followed[attributed]])
    return EngagementRows(
        replace(events, newest_known_at=newest),
        np.append(pages.shown_at, EARLIEST_MICROS)[followed],  # NO_PAGE finds the last
        row_ids,
        positions,
    )
