"""Deliberate defects in the data, in documented shares.

Of events
    late       5%   known an hour to three days after the usual moment
    repeated   3%   comes again as it is, a minute to two days later
    corrected  2%   comes first with a wrong value (share watched, stars); the right one is
                    known an hour to five days later
    retracted  1%   never happened; that is known an hour to five days later
Of videos
    corrected  3%   are first listed with a wrong maturity, corrected after two to twenty days
Of licences
    corrected  3%   are announced at first with an end that is 5 to 30 days too late, corrected
                    two to five days later
    bogus      1%   are announced a second time, for a country where nothing was signed,
                    and retracted one to five days later

What would become known after the world's end never does. Shares are of the clean facts, and
independent of each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from timetravel.facts.model import EventKind, Op
from worlds.durations import DAY_MICROS, HOUR_MICROS, MINUTE_MICROS, SECOND_MICROS
from worlds.synthetic.catalogue import MATURITIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.arrays import Int64Array
    from worlds.draws import Draws
    from worlds.synthetic.catalogue import Catalogue
    from worlds.synthetic.events import Event

LATE_SHARE: Final = 0.05
REPEATED_SHARE: Final = 0.03
CORRECTED_SHARE: Final = 0.02
RETRACTED_SHARE: Final = 0.01
CORRECTED_VIDEOS_SHARE: Final = 0.03
CORRECTED_LICENCES_SHARE: Final = 0.03
BOGUS_LICENCES_SHARE: Final = 0.01

_LATE: Final = (HOUR_MICROS, 3 * DAY_MICROS)
_REPEATED: Final = (MINUTE_MICROS, 2 * DAY_MICROS)
_MENDED: Final = (HOUR_MICROS, 5 * DAY_MICROS)

_FIXED_VIDEO_DAYS: Final = (2, 20)
_LATE_END_DAYS: Final = (5, 30)
_FIXED_END_DAYS: Final = (2, 5)
_BOGUS_DAYS: Final = (1, 5)

_WITH_VALUE: Final = (EventKind.PLAY, EventKind.RATING)
_MOST_STARS: Final = 5.0
_SHARE_SLIP: Final = 0.5


def soil_events(draws: Draws, clean: Sequence[Event], until: int) -> list[Event]:
    """Return the facts that the service comes to know of events, by `known_at`.

    Args:
        draws: Of the world.
        clean: What the members did, as far as the service will be told.
        until: The world's end, microseconds.
    """
    places = np.arange(len(clean))
    facts: list[Event] = []
    for event, late, again, corrected, retracted in zip(
        clean,
        _waits(draws, "late", LATE_SHARE, _LATE, places),
        _waits(draws, "repeated", REPEATED_SHARE, _REPEATED, places),
        _waits(draws, "corrected", CORRECTED_SHARE, _MENDED, places),
        _waits(draws, "retracted", RETRACTED_SHARE, _MENDED, places),
        strict=True,
    ):
        told = [_later(event, late)]
        if corrected and event.kind in _WITH_VALUE:
            right = told[0]
            told = [replace(right, value=_slip(event)), _later(right, corrected)]
        if again:
            told.append(_later(told[-1], again))
        if retracted:
            told.append(replace(_later(told[-1], retracted), op=Op.RETRACT))
        facts += [fact for fact in told if fact.known_at < until]
    facts.sort(key=lambda fact: (fact.known_at, fact.event_id))
    return facts


def find_mistaken_videos(draws: Draws, catalogue: Catalogue) -> dict[int, tuple[int, int]]:
    """Return the wrong maturity of some videos, and how long it takes to fix it.

    Returns:
        (maturity, days) by place in the catalogue.
    """
    places = np.arange(len(catalogue.video_ids))
    mistaken = draws.uniform("mistaken videos", places) < CORRECTED_VIDEOS_SHARE
    days = draws.integers("mended videos", *_FIXED_VIDEO_DAYS, places)
    return {
        place: (_other_maturity(int(catalogue.maturities[place])), int(days[place]))
        for place in np.flatnonzero(mistaken).tolist()
    }


@dataclass(frozen=True, slots=True, eq=False)
class LicenceDirt:
    """Say what goes wrong with licences; columns are int64[windows], 0 where nothing does.

    Args:
        late_end_days: By how many days the end is announced too late.
        fixed_after_days: When that is fixed.
        bogus_until_days: When a second announcement, elsewhere, is retracted.
    """

    late_end_days: Int64Array
    fixed_after_days: Int64Array
    bogus_until_days: Int64Array


def soil_licences(draws: Draws, count: int) -> LicenceDirt:
    """Return what goes wrong with so many licence windows."""
    places = np.arange(count)
    corrected = draws.uniform("corrected licences", places) < CORRECTED_LICENCES_SHARE
    bogus = draws.uniform("bogus licences", places) < BOGUS_LICENCES_SHARE
    return LicenceDirt(
        draws.integers("late ends", *_LATE_END_DAYS, places) * corrected,
        draws.integers("mended ends", *_FIXED_END_DAYS, places) * corrected,
        draws.integers("bogus licences until", *_BOGUS_DAYS, places) * bogus,
    )


def _waits(
    draws: Draws, purpose: str, share: float, bounds: tuple[int, int], places: Int64Array
) -> list[int]:
    """Return how long each thing takes, spread over orders of magnitude; 0 for most."""
    low, high = (math.log(bound // SECOND_MICROS) for bound in bounds)
    seconds = np.exp(low + draws.uniform(f"{purpose} by", places) * (high - low))
    happens = draws.uniform(purpose, places) < share
    waits: list[int] = (seconds.astype(np.int64) * SECOND_MICROS * happens).tolist()
    return waits


def _later(event: Event, wait: int) -> Event:
    return event.known_later(event.known_at + wait)


def _slip(event: Event) -> float:
    if event.kind is EventKind.RATING:
        return _MOST_STARS + 0.5 - event.value
    return event.value * _SHARE_SLIP


def _other_maturity(maturity: int) -> int:
    return MATURITIES[(MATURITIES.index(maturity) + 1) % len(MATURITIES)]
