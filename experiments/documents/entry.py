"""The base of what a YAML file holds, as pydantic checks it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

OWN_RULE = "pagesim"
"""The type of pydantic errors that bring their own problem and remedy."""


class Entry(BaseModel):
    """A mapping whose keys are all known, with values of exactly the right type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
