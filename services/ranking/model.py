"""Ranking models as documents: inputs and their weights."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.errors import InvalidModel, UnsupportedSchema

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA_VERSION = 1
"""The schema version of model documents that this code reads."""


class ModelInput(StrEnum):
    """Name what a model may weigh; scores sum the terms in this order.

    popularity_*: log(1 + events in the window) everywhere.
    mean_rating: smoothed mean rating in stars.
    trending: log(1 + trending value in the profile's country).
    genre_affinity: mean affinity of the profile to the video's genres.
    taste_match: taste vector . content vector, -1 to 1.
    freshness: 1 / (1 + age / half life), age since the video was added.
    """

    POPULARITY_7D = "popularity_7d"
    POPULARITY_28D = "popularity_28d"
    POPULARITY_365D = "popularity_365d"
    POPULARITY_ALL = "popularity_all"
    MEAN_RATING = "mean_rating"
    TRENDING = "trending"
    GENRE_AFFINITY = "genre_affinity"
    TASTE_MATCH = "taste_match"
    FRESHNESS = "freshness"


POPULARITY_FIELDS = {
    ModelInput.POPULARITY_7D: "events_7d",
    ModelInput.POPULARITY_28D: "events_28d",
    ModelInput.POPULARITY_365D: "events_365d",
    ModelInput.POPULARITY_ALL: "events_all",
}
"""The field of the group "video_popularity" behind each popularity input."""

MEAN_RATING_FIELD = "mean_rating"
"""The field of that group behind the input of the same name."""


class LinearModel(BaseModel):
    """Score a video by a weighted sum of inputs.

    `missing` stands in for the shared inputs (popularity, mean_rating, trending) of a video
    that has no value, and is 0 where left out; for the other inputs missing means 0.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    kind: Literal["linear"]
    weights: Annotated[dict[ModelInput, float], Field(min_length=1)]
    missing: dict[ModelInput, float] = Field(default_factory=dict)
    freshness_half_life_days: Annotated[float, Field(gt=0)] = 30.0
    description: str = ""

    def weight(self, name: ModelInput) -> float:
        """Return the weight of an input; 0 where the model does not name it."""
        return self.weights.get(name, 0.0)


def parse_model(
    body: Mapping[str, object], *, schema_version: int = SCHEMA_VERSION
) -> LinearModel:
    """Return the model that a document describes.

    Raises:
        UnsupportedSchema: The document has another schema version.
        InvalidModel: It is not a model; every field at fault is named.
    """
    if schema_version != SCHEMA_VERSION:
        raise UnsupportedSchema(
            f"The model has schema version {schema_version}.",
            remedy=f"This pagesim reads version {SCHEMA_VERSION}.",
            field="schema_version",
        )
    try:
        return LinearModel.model_validate_json(json.dumps(body))
    except ValidationError as error:
        faults = [
            (".".join(str(part) for part in fault["loc"]) or "model", fault["msg"])
            for fault in error.errors(include_url=False, include_context=False)
        ]
        raise InvalidModel(
            "; ".join(f"{where}: {text}" for where, text in faults) + ".",
            remedy=f"Fix the document; inputs are {', '.join(ModelInput)}.",
        ) from None
