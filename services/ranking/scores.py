"""The part of a linear score that all profiles of a country share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from core.kernel import kernel
from services.ranking.columns import Weights
from services.ranking.model import MEAN_RATING_FIELD, POPULARITY_FIELDS, ModelInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.arrays import Float32Array
    from services.ranking.model import LinearModel

MICROS_PER_DAY = 86_400_000_000


@kernel
def log_counts(counts: Float32Array) -> Float32Array:
    """Return log(1 + count) of each; NaN stays NaN."""
    # One by one in float64: vectorised float32 logarithms differ between machines.
    logs = np.empty(len(counts), np.float32)
    for index in range(len(counts)):
        logs[index] = np.float32(math.log1p(np.float64(counts[index])))
    return logs


def shared_scores(
    model: LinearModel, popularity: Mapping[str, Float32Array], trending: Float32Array
) -> Float32Array:
    """Return the weighted sum of the inputs that do not depend on the profile.

    Args:
        model: Its weights are summed in the order of `ModelInput`.
        popularity: float32[videos] per field of "video_popularity"; NaN where missing.
        trending: float32[videos], trending value in one country; NaN where missing.

    Returns:
        float32[videos].
    """
    total = np.zeros(len(trending), np.float32)
    for name in ModelInput:
        weight = np.float32(model.weight(name))
        if weight == 0:
            continue
        if name in POPULARITY_FIELDS:
            values = log_counts(popularity[POPULARITY_FIELDS[name]])
        elif name is ModelInput.MEAN_RATING:
            values = popularity[MEAN_RATING_FIELD]
        elif name is ModelInput.TRENDING:
            values = log_counts(trending)
        else:
            continue
        missing = np.float32(model.missing.get(name, 0.0))
        total += weight * np.where(np.isnan(values), missing, values)
    return total


def page_weights(model: LinearModel) -> Weights:
    """Return the weights of the inputs that depend on the page."""
    return Weights(
        affinity=np.float32(model.weight(ModelInput.GENRE_AFFINITY)),
        taste=np.float32(model.weight(ModelInput.TASTE_MATCH)),
        freshness=np.float32(model.weight(ModelInput.FRESHNESS)),
        half_life_micros=np.float64(model.freshness_half_life_days * MICROS_PER_DAY),
    )
