"""Positions in the catalogue listing, which stand for video ids within a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from services.errors import CatalogueMismatch

if TYPE_CHECKING:
    from core.arrays import Int32Array, Int64Array


def find_positions(listing: Int64Array, video_ids: Int64Array) -> Int32Array:
    """Return the position of each video in an ascending listing, -1 where it is not in it."""
    if not len(listing):
        return np.full(len(video_ids), -1, np.int32)
    places = np.minimum(np.searchsorted(listing, video_ids), len(listing) - 1)
    return np.where(listing[places] == video_ids, places, -1).astype(np.int32)


def check_same_listing(expected: str, found: str, *, field: str) -> None:
    """Refuse to mix positions of two listings.

    Raises:
        CatalogueMismatch: The digests differ.
    """
    if expected != found:
        raise CatalogueMismatch(
            f"Positions refer to the listing {expected}, but this one is {found}.",
            remedy="Try again; pin a snapshot so that videos added meanwhile do not show.",
            field=field,
        )


def bitmap_bytes(video_count: int) -> int:
    """Return how many bytes a bitmap over so many videos has."""
    return (video_count + 7) // 8
