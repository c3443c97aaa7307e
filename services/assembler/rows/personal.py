"""Candidates that follow from a profile's events: in progress, listed, liked."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from core.kernel import kernel

if TYPE_CHECKING:
    from core.arrays import Float32Array, Int32Array, Int64Array


PLAY, RATING, THUMB, LIST = 1, 2, 3, 4
"""Numbers of event kinds, equal to `timetravel.facts.model.EventKind`."""

FINISHED_SHARE = 0.9
"""Share of a title's length from which a play counts as finished."""

ENJOYED_STARS = 4.0
"""Stars from which a rated title counts as enjoyed."""


class Events(NamedTuple):
    """Hold the events of each page's profile, newest first.

    starts: int64[pages + 1] into the other columns.
    positions: int32[events], catalogue position of the video; -1 when it is not listed.
    kinds: int64[events].
    values: float32[events]; NaN where an event has none.
    """

    starts: Int64Array
    positions: Int32Array
    kinds: Int64Array
    values: Float32Array


class PersonalCandidates(NamedTuple):
    """Hold lists of catalogue positions per page, newest first.

    Each list has starts int64[pages + 1] and positions int32.
    """

    in_progress_starts: Int64Array
    in_progress: Int32Array
    listed_starts: Int64Array
    listed: Int32Array
    seeds_starts: Int64Array
    seeds: Int32Array


@kernel
def read_events(events: Events, video_count: int, maximum_seeds: int) -> PersonalCandidates:
    """Return what each profile has in progress, on its list, and enjoyed of late.

    A title is in progress when its newest play is unfinished; listed when its newest list
    event put it there; enjoyed when its newest opinion is a finished play, a thumb up or a
    rating of at least four stars.
    """
    pages = len(events.starts) - 1
    size = len(events.positions)
    in_progress_starts = np.zeros(pages + 1, np.int64)
    listed_starts = np.zeros(pages + 1, np.int64)
    seeds_starts = np.zeros(pages + 1, np.int64)
    in_progress = np.empty(size, np.int32)
    listed = np.empty(size, np.int32)
    seeds = np.empty(size, np.int32)
    played_on = np.full(video_count, -1, np.int64)
    listed_on = np.full(video_count, -1, np.int64)
    judged_on = np.full(video_count, -1, np.int64)
    playing = listing = seeding = 0
    for page in range(pages):
        first_seed = seeding
        for event in range(events.starts[page], events.starts[page + 1]):
            video = events.positions[event]
            if video < 0:
                continue
            kind, value = events.kinds[event], events.values[event]
            if kind == PLAY and played_on[video] != page:
                played_on[video] = page
                if value < FINISHED_SHARE:
                    in_progress[playing] = video
                    playing += 1
            if kind == LIST and listed_on[video] != page:
                listed_on[video] = page
                if value > 0:
                    listed[listing] = video
                    listing += 1
            finished = kind == PLAY and value >= FINISHED_SHARE
            if (finished or kind in (RATING, THUMB)) and judged_on[video] != page:
                judged_on[video] = page
                liked = (
                    finished
                    or (kind == THUMB and value > 0)
                    or (kind == RATING and value >= ENJOYED_STARS)
                )
                if liked and seeding - first_seed < maximum_seeds:
                    seeds[seeding] = video
                    seeding += 1
        in_progress_starts[page + 1] = playing
        listed_starts[page + 1] = listing
        seeds_starts[page + 1] = seeding
    return PersonalCandidates(
        in_progress_starts,
        in_progress[:playing],
        listed_starts,
        listed[:listing],
        seeds_starts,
        seeds[:seeding],
    )
