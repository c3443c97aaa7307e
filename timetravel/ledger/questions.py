"""Queries to the ledger, and their results.

A ledger reads a snapshot, as known by a moment K. Without a K everything is read as known at
the moment asked about, as `timetravel.reading.reader.FactReader` does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from timetravel.errors import InvalidQuestion

if TYPE_CHECKING:
    from timetravel.facts.model import EntityKind, FactKind
    from timetravel.ledger.spans import Span
    from timetravel.ledger.versions import FactVersion


class TimeAxis(IntEnum):
    """Say which time of a fact is meant; numbers as in pagesim.timetravel.v1.TimeAxis."""

    VALID = 1
    """When it is true in the world."""
    KNOWN = 2
    """When the live system learned it."""


@dataclass(frozen=True, slots=True)
class HistoricalVersion:
    """A version of a fact, and the as-ofs at which it is what one sees."""

    version: FactVersion
    spans: tuple[Span, ...]
    is_visible: bool


@dataclass(frozen=True, slots=True)
class Changes:
    """Ask for the versions of which one time lies in (since, until].

    Args:
        axis: Which time.
        since: The moment before the first, microseconds.
        until: The last moment.
        kinds: Kinds of facts; none means all.
        entities: Whose facts, as kind and id; none means all, and documents as well.
    """

    axis: TimeAxis
    since: int
    until: int
    kinds: frozenset[FactKind] = frozenset()
    entities: frozenset[tuple[EntityKind, int]] = field(default=frozenset())

    def __post_init__(self) -> None:
        if self.since > self.until:
            raise InvalidQuestion(
                f"The interval ends at {self.until}, before it begins at {self.since}.",
                remedy="Give a `since` that is not later than `until`.",
                field="since",
            )

    def instant(self, version: FactVersion) -> int:
        """Return the time of a version that is asked about."""
        return version.valid_from if self.axis is TimeAxis.VALID else version.known_at
