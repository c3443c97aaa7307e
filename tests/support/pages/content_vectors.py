"""The content of videos as dense vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from services.shared_facts.content import content_entries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.arrays import Float32Array


def content_vectors(
    fields: Sequence[str],
    genres_per_video: Sequence[Sequence[str]],
    years: Sequence[int | None],
) -> Float32Array:
    """Return the content vectors: 1 for a video's genres and its decade, of unit length.

    Args:
        fields: Names of the dimensions, "genre:<Name>" and "era:<decade>".
        genres_per_video: Genres of each video; those that are not fields are ignored.
        years: Year of each video; None where it is not known.

    Returns:
        float32[videos, fields]; zeros for a video that has none of the fields.
    """
    entries = content_entries(fields, genres_per_video, years)
    vectors = np.zeros((len(genres_per_video), len(fields)), np.float32)
    videos = np.repeat(np.arange(len(genres_per_video)), np.diff(entries.offsets))
    vectors[videos, entries.fields] = entries.values[videos]
    return vectors
