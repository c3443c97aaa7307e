"""Orders of the catalogue for rows that need no model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.arrays import BoolArray, Float32Array, Int32Array, Int64Array


def order_by_trending(trending: Float32Array) -> Int32Array:
    """Return the videos played in the country of late, most played first."""
    return _descending(trending, np.nan_to_num(trending) > 0)


def order_by_rise(trending: Float32Array, events_of_year: Float32Array) -> Int32Array:
    """Return the videos played in the country of late, by how far beyond their usual.

    rise = trending / sqrt(1 + events of the last year everywhere), in float32.
    """
    usual = np.sqrt(np.float32(1) + np.nan_to_num(events_of_year))
    return _descending(trending / usual, np.nan_to_num(trending) > 0)


def order_by_popularity(popularity: Mapping[str, Float32Array]) -> Int32Array:
    """Return all videos by events of the last four weeks, then of the year, then ever."""
    windows = [
        -np.nan_to_num(popularity[field])
        for field in ("events_all", "events_365d", "events_28d")
    ]
    return np.lexsort(windows).astype(np.int32)


def order_by_age(added_at: Int64Array, is_known: BoolArray) -> Int32Array:
    """Return the videos whose arrival is known, newest first."""
    positions = np.flatnonzero(is_known)
    return positions[np.argsort(-added_at[positions], kind="stable")].astype(np.int32)


def _descending(values: Float32Array, chosen: BoolArray) -> Int32Array:
    positions = np.flatnonzero(chosen)
    return positions[np.argsort(-values[positions], kind="stable")].astype(np.int32)
