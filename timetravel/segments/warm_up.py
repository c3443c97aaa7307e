"""Loads the kernels that search segments before the first call."""

from __future__ import annotations

import numpy as np

from timetravel.segments.columns import Events, Versions


def warm_up() -> None:
    """Search for one version and one event, so that each kernel is compiled and loaded."""
    none, small, row = np.empty(0, np.int64), np.empty(0, np.int8), np.zeros(1, np.int64)
    offsets = np.zeros(1, np.int64)
    Versions(none, offsets, none, none, small).find(row, row, row)
    Events(
        *(none, offsets, none, none, none),
        *(small, small, none, np.empty(0, np.float32)),
    ).find(row, row, row, (), 0)
