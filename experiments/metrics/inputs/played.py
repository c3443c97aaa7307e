"""What members played after pages, read with all that has become known since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.metrics.errors import InvalidMetricOptions
from services.page.ranges import starts
from timetravel.facts.model import EventKind
from timetravel.reading.engagement import NO_PAGE, attribute_events

if TYPE_CHECKING:
    from core.arrays import Int64Array
    from timetravel.reading.reader import FactReader

PLAYED_KINDS = (EventKind.PLAY, EventKind.RATING)
"""A rating tells of a play too; MovieLens has nothing else."""
_HOUR_MICROS = 3_600_000_000


@dataclass(frozen=True, slots=True)
class EngagementWindow:
    """Say for how long a play belongs to the last page before it."""

    horizon_micros: int = 24 * _HOUR_MICROS

    def __post_init__(self) -> None:
        if self.horizon_micros <= 0:
            raise InvalidMetricOptions(
                f"An engagement horizon of {self.horizon_micros} microseconds is empty.",
                remedy="Give a positive time, e.g. 24 hours.",
                field="horizon_micros",
            )


@dataclass(frozen=True, slots=True, eq=False)
class PlayedNext:
    """Hold the distinct titles played after each page.

    Args:
        starts: int64[pages + 1] into video_ids.
        video_ids: int64[played], ascending within a page.
    """

    starts: Int64Array
    video_ids: Int64Array


def find_played_next(
    reader: FactReader,
    profile_ids: Int64Array,
    as_of: Int64Array,
    shown_to: Int64Array,
    shown_at: Int64Array,
    window: EngagementWindow,
) -> PlayedNext:
    """Return the titles played after each page, within its window.

    A play belongs to the last page before it, logged or asked for, so that none counts twice;
    see `timetravel.reading.engagement.attribute_events`.

    Args:
        reader: Reader with all that has become known.
        profile_ids: int64[pages], whose pages are asked about.
        as_of: int64[pages], their moments in microseconds; distinct for each profile.
        shown_to: int64[logged], whose pages were logged after the first of these.
        shown_at: int64[logged], when they were shown.
        window: Which plays belong to a page.
    """
    who, owners = np.unique(profile_ids, return_inverse=True)
    first, last = _bounds(owners, as_of, len(who))
    history = reader.history(who, last + window.horizon_micros, PLAYED_KINDS, since=first)
    players = np.repeat(np.arange(len(who)), np.diff(history.offsets))
    is_asked = np.isin(shown_to, who)
    page_owners = np.concatenate([np.searchsorted(who, shown_to[is_asked]), owners])
    moments = np.concatenate([shown_at[is_asked], as_of])
    followed = attribute_events(
        players,
        history.event_at,
        page_owners,
        moments,
        horizon_micros=window.horizon_micros,
    )
    # Of two pages at one moment the latter counts: the one asked for, not its logged version.
    pages = followed - int(is_asked.sum())
    is_wanted = (followed != NO_PAGE) & (pages >= 0)
    return _distinct(pages[is_wanted], history.video_ids[is_wanted], len(as_of))


def _bounds(owners: Int64Array, as_of: Int64Array, size: int) -> tuple[Int64Array, Int64Array]:
    """Return the first and the last moment of each owner."""
    first, last = np.full(size, as_of.max(initial=0)), np.full(size, as_of.min(initial=0))
    np.minimum.at(first, owners, as_of)
    np.maximum.at(last, owners, as_of)
    return first, last


def _distinct(pages: Int64Array, video_ids: Int64Array, size: int) -> PlayedNext:
    order = np.lexsort((video_ids, pages))
    pages, video_ids = pages[order], video_ids[order]
    is_new = np.ones(len(pages), np.bool_)
    is_new[1:] = (np.diff(pages) != 0) | (np.diff(video_ids) != 0)
    counts = np.bincount(pages[is_new], minlength=size)
    return PlayedNext(starts(counts), video_ids[is_new])
