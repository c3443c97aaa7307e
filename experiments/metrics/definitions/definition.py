"""What a metric is, and the tables that metrics are written over."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    import ibis.expr.types as ir

LOGGED = "logged"
"""Name under which the pages that the live system showed stand beside the variants."""


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
class MetricTables:
    """Hold the Ibis tables that metrics are written over.

    A content is a page as it came out, whichever variants made it; it is known by its
    digest, which covers profile, as-of and device. A metric is computed once per content, so
    equal pages have equal values to the last bit.

    Args:
        contents: page_digest, page_id, profile_id, as_of_micros, country, fingerprint (what
            the member sees, as text), geometry_rows, geometry_columns, viewport_rows,
            viewport_columns.
        rows: page_digest, row_index, row_id, row_type, videos (list).
        cells: One record per placed video: page_digest, page_id, as_of_micros, country,
            row_index, row_id, column_index, video_id, in_viewport (bool), exposure (float),
            steps (int, scrolls until it is in view).
        pairs: page_digest, reference_digest; distinct.
        videos: as_of_micros, video_id, genres (list), plays (float), added_at_micros,
            maturity (int). What was visible of a video at the as-of.
        licences: as_of_micros, country, video_id; licensed at the as-of.
        profiles: profile_id, as_of_micros, maturity_limit (int).
        engagement: page_id, video_id; played after the page, distinct.
        depths: depth (0, 1, ...), weight: see `weights.cumulative_agreement`.
        ideals: geometry_rows, geometry_columns, titles (1, 2, ...), ideal_gain:
            see `weights.ideal_gains`.
    """

    contents: ir.Table
    rows: ir.Table
    cells: ir.Table
    pairs: ir.Table
    videos: ir.Table
    licences: ir.Table
    profiles: ir.Table
    engagement: ir.Table
    depths: ir.Table
    ideals: ir.Table


Definition: TypeAlias = "Callable[[MetricTables], ir.Table]"
"""Return page_digest and value (float); for similarity also reference_digest.

A content without a record has no value and is left out of means.
"""


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


@dataclass(frozen=True, slots=True)
class PageMetric(Metric):
    """Add how to compute it for every page."""

    definition: Definition


def describe(definition: Callable[..., object]) -> str:
    """Return what a definition's docstring says first, on one line and without its verb.

    "Measure the share of ..." becomes "The share of ...": a report tells what a figure is.
    """
    text = inspect.cleandoc(definition.__doc__ or "")
    _verb, _, rest = " ".join(text.partition("\n\n")[0].split()).partition(" ")
    return rest[:1].upper() + rest[1:]
