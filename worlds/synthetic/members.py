"""The members of a synthetic service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from worlds.durations import DAY_MICROS, SECOND_MICROS

if TYPE_CHECKING:
    from core.arrays import Float64Array, Int64Array
    from worlds.synthetic.plan import SyntheticPlan

_COUNTRY_FALL: Final = 0.6
"""Each country has so many times the members of the one named before it."""

LIMITS: Final = (18, 16, 13, 7)
_LIMIT_SHARES: Final = (0.74, 0.10, 0.08, 0.08)
PLANS: Final = ("basic", "standard", "premium")
_PLAN_SHARES: Final = (0.30, 0.45, 0.25)
DEVICES: Final = ("phone", "tv", "web")
_DEVICE_SHARES: Final = (0.70, 0.75, 0.40)

_OLD_MEMBERS_SHARE: Final = 0.85
_LONGEST_TENURE_DAYS: Final = 6 * 365
_JOINING_SHARE: Final = 0.6
"""New members join in so much of the world's time, so that they leave something to see."""
_MOVING_SHARE: Final = 0.01
_MEAN_VISITS_PER_DAY: Final = 0.3
_SPREAD_OF_VISITS: Final = 0.6


@dataclass(frozen=True, slots=True, eq=False)
class Members:
    """Hold the members of a service, by ascending id.

    Args:
        profile_ids: int64[profiles].
        countries: int64[profiles], places in the plan's countries.
        moved_at: int64[profiles], when each moved to another country; the world's end for
            those who never did. Microseconds, as all moments.
        moved_to: int64[profiles], where to.
        maturity_limits: int64[profiles], ages.
        devices: Of each.
        plans: Of each.
        joined_at: int64[profiles], possibly before the world begins.
        visits_per_day: float64[profiles].
    """

    profile_ids: Int64Array
    countries: Int64Array
    moved_at: Int64Array
    moved_to: Int64Array
    maturity_limits: Int64Array
    devices: tuple[tuple[str, ...], ...]
    plans: tuple[str, ...]
    joined_at: Int64Array
    visits_per_day: Float64Array

    def country(self, place: int, at: int) -> int:
        """Return where the member at a place lives at a moment."""
        has_moved = at >= self.moved_at[place]
        return int(self.moved_to[place] if has_moved else self.countries[place])


def make_members(plan: SyntheticPlan) -> Members:
    """Return the members of a world."""
    stream = plan.stream("members")
    count = plan.profiles
    weights = _COUNTRY_FALL ** np.arange(len(plan.countries))
    countries = stream.choice(len(plan.countries), count, p=weights / weights.sum())
    others = stream.integers(1, max(len(plan.countries), 2), count)
    moves = (stream.random(count) < _MOVING_SHARE) & (len(plan.countries) > 1)
    seconds = plan.days * DAY_MICROS // SECOND_MICROS
    moments = plan.since_micros + stream.integers(1, seconds, count) * SECOND_MICROS
    is_old = stream.random(count) < _OLD_MEMBERS_SHARE
    is_old[0] = True
    old = plan.since_micros - stream.integers(1, _LONGEST_TENURE_DAYS, count) * DAY_MICROS
    joining = max(1, int(seconds * _JOINING_SHARE))
    new = plan.since_micros + stream.integers(0, joining, count) * SECOND_MICROS
    owned = stream.random((count, len(DEVICES))) < _DEVICE_SHARES
    owned[~owned.any(axis=1), -1] = True
    spread = stream.lognormal(-(_SPREAD_OF_VISITS**2) / 2, _SPREAD_OF_VISITS, count)
    return Members(
        profile_ids=np.arange(1, count + 1),
        countries=countries,
        moved_at=np.where(moves, moments, plan.until_micros),
        moved_to=(countries + others) % len(plan.countries),
        maturity_limits=np.array(LIMITS)[stream.choice(len(LIMITS), count, p=_LIMIT_SHARES)],
        devices=tuple(
            tuple(device for device, has in zip(DEVICES, row, strict=True) if has)
            for row in owned.tolist()
        ),
        plans=tuple(PLANS[plan] for plan in stream.choice(len(PLANS), count, p=_PLAN_SHARES)),
        joined_at=np.where(is_old, old, new),
        visits_per_day=_MEAN_VISITS_PER_DAY * spread,
    )
