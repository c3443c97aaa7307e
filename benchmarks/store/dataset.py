"""Feature versions as dirty as they come, and rows to ask for, from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from core.arrays import Float32Array, Int64Array


FIELDS: Final = 50
BATCH: Final = 256
DAY: Final = 86_400_000_000
START: Final = 19_000 * DAY
SPAN_DAYS: Final = 365

_LATE_SHARE: Final = 0.05
_CORRECTED_SHARE: Final = 0.03


@dataclass(frozen=True, slots=True, eq=False)
class Versions:
    """Versions of one vector per profile, sorted by profile, valid_from and known_at.

    Attributes:
        profile_ids: int64[versions].
        valid_from: int64[versions], microseconds.
        known_at: int64[versions], microseconds; 5% are known up to a week late, and 3% are
            corrections of the version before them.
        values: float32[versions, FIELDS].
    """

    profile_ids: Int64Array
    valid_from: Int64Array
    known_at: Int64Array
    values: Float32Array


@dataclass(frozen=True, slots=True, eq=False)
class Questions:
    """Batches of rows: profile_ids and at are int64[batches, BATCH]."""

    profile_ids: Int64Array
    at: Int64Array


def make_versions(profiles: int, depth: int, seed: int) -> Versions:
    """Return `depth` versions of each profile."""
    chance = np.random.default_rng(seed)
    total = profiles * depth
    profile_ids = np.repeat(np.arange(profiles), depth)
    step = SPAN_DAYS * DAY // depth
    valid_from = START + np.tile(np.arange(depth), profiles) * step
    valid_from += chance.integers(0, step, total)
    corrects = chance.random(total) < _CORRECTED_SHARE
    corrects[::depth] = False
    valid_from[corrects] = valid_from[np.flatnonzero(corrects) - 1]
    late = chance.random(total) < _LATE_SHARE
    known_at = valid_from + chance.integers(0, 60_000_000, total)
    known_at += np.where(late | corrects, chance.integers(1, 7 * DAY, total), 0)
    order = np.lexsort((known_at, valid_from, profile_ids))
    values = chance.random((total, FIELDS), dtype=np.float32)
    return Versions(profile_ids[order], valid_from[order], known_at[order], values)


def make_questions(profiles: int, batches: int, seed: int) -> Questions:
    """Return batches of profiles, each row with a moment of its own."""
    chance = np.random.default_rng(seed)
    shape = (batches, BATCH)
    return Questions(
        chance.integers(0, profiles, shape),
        chance.integers(START, START + SPAN_DAYS * DAY, shape),
    )
