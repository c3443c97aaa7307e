"""What a metric is."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LOGGED = "logged"
"""Name under which the pages that the live system showed stand beside the variants."""
OVERALL = "all"
"""The stratum that holds every page."""


class Family(StrEnum):
    """Say what a metric is about."""

    COMPOSITION = "composition"
    """What a page holds; needs no other page."""
    SIMILARITY = "similarity"
    """How near a page is to its reference: control, or for control the logged page."""
    RECALL = "recall"
    """Whether a page showed what the member went on to play."""


class Direction(StrEnum):
    """Say which way is better."""

    HIGHER = "higher"
    LOWER = "lower"
    NEITHER = "neither"


class Unit(StrEnum):
    """Say what a value counts."""

    ROWS = "rows"
    TITLES = "titles"
    SHARE = "share"
    """0 to 1, shown as per cent."""
    SCORE = "score"
    """0 to 1, without a meaning as per cent."""
    BITS = "bits"
    DOUBLINGS = "doublings"
    """Binary logarithm of a count: 1 more is twice as many."""
    STEPS = "steps"


@dataclass(frozen=True, slots=True)
class Metric:
    """Name one metric and say how to read it.

    Args:
        name: In files and code.
        title: What people read.
        standard_name: What the literature calls it, e.g. "NDCG"; empty where it has no name.
        family: What it is about.
        unit: What a value counts.
        direction: Which way is better.
        description: For people.
    """

    name: str
    title: str
    standard_name: str
    family: Family
    unit: Unit
    direction: Direction
    description: str


def describe(definition: Callable[..., object]) -> str:
    """Return what a definition's docstring says first, on one line and without its verb.

    "Measure the share of ..." becomes "The share of ...": a report tells what a figure is.
    """
    text = inspect.cleandoc(definition.__doc__ or "")
    _verb, _, rest = " ".join(text.partition("\n\n")[0].split()).partition(" ")
    return rest[:1].upper() + rest[1:]
