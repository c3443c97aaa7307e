"""When each version of a fact is visible: the rule of `queries.visibility` over all moments.

Asked moment by moment, the rule says which version one sees. Swept from the first moment to
the last it says when one sees each, in one pass over the versions. As facts are read as known
at each moment (or as known by a fixed one), a version may come into view more than once:
whenever a later one is retracted.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

from timetravel.facts.model import Op

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Span:
    """The moments from since up to, but not including, until; None means no end is known."""

    since: int
    until: int | None

    def holds(self, at: int) -> bool:
        """Return whether a moment lies within."""
        return self.since <= at and (self.until is None or at < self.until)


@dataclass(frozen=True, slots=True)
class Times:
    """What the sweep needs of a version; valid_to is None where it holds until the next."""

    valid_from: int
    valid_to: int | None
    known_at: int
    tx_id: int
    op: Op


Spans: TypeAlias = list[list[Span]]
"""The spans of each version, ascending, in the order of the versions."""


def spans_of_holding(versions: Sequence[Times], known_by: int | None) -> Spans:
    """Return when each version of one feature group, attribute or document is visible.

    Args:
        versions: All versions of one entity and name.
        known_by: As known by this moment; None means as known at each moment itself.
    """
    spans: Spans = [[] for _ in versions]
    entries = sorted(
        (version.valid_from if known_by is not None else _known_and_true(version), index)
        for index, version in enumerate(versions)
        if known_by is None or version.known_at <= known_by
    )
    speakers: dict[int, int] = {}
    standing: list[int] = []
    shown: int | None = None
    shown_since = 0
    for instant, arriving in groupby(entries, key=lambda entry: entry[0]):
        for _, index in arriving:
            _let_speak(versions, index, speakers, standing)
        visible = speakers[standing[-1]] if standing else None
        if visible != shown:
            if shown is not None:
                spans[shown].append(Span(shown_since, instant))
            shown, shown_since = visible, instant
    if shown is not None:
        spans[shown].append(Span(shown_since, None))
    return spans


def spans_of_identified(versions: Sequence[Times], known_by: int | None) -> Spans:
    """Return when each version of one event, licence window or logged page is visible.

    Args:
        versions: All versions of one id.
        known_by: As known by this moment; None means as known at each moment itself.
    """
    spans: Spans = [[] for _ in versions]
    order = sorted(
        (index for index, version in enumerate(versions) if _counts(version, known_by)),
        key=lambda index: (versions[index].known_at, versions[index].tx_id),
    )
    for place, index in enumerate(order):
        version = versions[index]
        overruled_at = versions[order[place + 1]].known_at if place + 1 < len(order) else None
        if version.op is not Op.ASSERT or (known_by is not None and overruled_at is not None):
            continue
        since = version.valid_from if known_by is not None else _known_and_true(version)
        until = min(
            (end for end in (overruled_at, version.valid_to) if end is not None), default=None
        )
        if until is None or since < until:
            spans[index].append(Span(since, until))
    return spans


def _let_speak(
    versions: Sequence[Times], index: int, speakers: dict[int, int], standing: list[int]
) -> None:
    version = versions[index]
    before = speakers.get(version.valid_from)
    if before is not None and _age(versions[before]) > _age(version):
        return
    stood = before is not None and versions[before].op is not Op.RETRACT
    stands = version.op is not Op.RETRACT
    speakers[version.valid_from] = index
    if stands and not stood:
        insort(standing, version.valid_from)
    elif stood and not stands:
        standing.remove(version.valid_from)


def _known_and_true(version: Times) -> int:
    return max(version.valid_from, version.known_at)


def _counts(version: Times, known_by: int | None) -> bool:
    return known_by is None or version.known_at <= known_by


def _age(version: Times) -> tuple[int, int]:
    return version.known_at, version.tx_id
