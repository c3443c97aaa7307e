"""The rule of visibility in plain Python: what every backend must agree with.

At T, as known by K, on snapshot S, a version counts if `known_at <= K` and `tx_id <= S`. Of
the versions of one key that count, the newest (known_at, tx_id) speaks for all of them.

- Facts that hold from a moment on (features, attributes, documents): the key includes
  valid_from. From the latest valid_from that is not after T backwards, the first spokesman
  that does not retract is visible; one that says "absent" is visible and has no value.
- Facts with an id (events, licence windows): the key is the id. The spokesman is visible if
  it asserts and is true at T; "absent" and "retract" both say that there is no such thing.
  A logged page is such a fact: its id is the profile and the moment at which it was shown.

So what is visible depends on the set of facts alone, whatever the order, repetition or
batches in which they came.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from timetravel.facts.model import (
    AllocationFact,
    AttributeFact,
    AvailabilityFact,
    DocumentFact,
    EventFact,
    FeatureFact,
    LoggedPageFact,
    Op,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

HoldingFact = TypeVar("HoldingFact", FeatureFact, AttributeFact, AllocationFact, DocumentFact)
IdentifiedFact = TypeVar("IdentifiedFact", EventFact, AvailabilityFact, LoggedPageFact)
AnyFact = TypeVar(
    "AnyFact",
    FeatureFact,
    AttributeFact,
    AllocationFact,
    DocumentFact,
    EventFact,
    AvailabilityFact,
    LoggedPageFact,
)


@dataclass(frozen=True, slots=True)
class Recorded(Generic[AnyFact]):
    """A fact with the transaction that appended it."""

    fact: AnyFact
    tx_id: int


@dataclass(frozen=True, slots=True)
class View:
    """From where facts are looked at: K and S. K is None where it is each row's own T."""

    snapshot: int
    known_by: int | None = None

    def counts(self, version: Recorded[AnyFact], at: int) -> bool:
        """Return whether a version was known and appended."""
        known_by = at if self.known_by is None else self.known_by
        return version.fact.known_at <= known_by and version.tx_id <= self.snapshot


def visible_version(
    versions: Iterable[Recorded[HoldingFact]], at: int, view: View
) -> Recorded[HoldingFact] | None:
    """Return the visible one of the versions of one entity and name, if any is."""
    speakers: dict[Hashable, Recorded[HoldingFact]] = {}
    for version in versions:
        if version.fact.valid_from <= at and view.counts(version, at):
            _let_newest_speak(speakers, version.fact.valid_from, version)
    for valid_from in sorted(speakers, reverse=True):  # type: ignore[type-var] # moments
        if speakers[valid_from].fact.op is not Op.RETRACT:
            return speakers[valid_from]
    return None


def visible_events(
    versions: Iterable[Recorded[EventFact]], at: int, view: View
) -> list[Recorded[EventFact]]:
    """Return the visible events among all versions of all ids, newest first."""
    visible = [
        version
        for version in _speakers_by(versions, ("event_id",), at, view)
        if version.fact.event_at <= at
    ]
    return sorted(
        visible,
        key=lambda version: (version.fact.event_at, version.fact.event_id),
        reverse=True,
    )


def visible_licences(
    versions: Iterable[Recorded[AvailabilityFact]], at: int, view: View
) -> list[Recorded[AvailabilityFact]]:
    """Return the visible licence windows among all versions of all ids."""
    return [
        version
        for version in _speakers_by(versions, ("window_id",), at, view)
        if version.fact.valid_from <= at < version.fact.valid_to
    ]


def visible_pages(
    versions: Iterable[Recorded[LoggedPageFact]], at: int, view: View
) -> list[Recorded[LoggedPageFact]]:
    """Return the visible ones among all versions of logged pages, by moment and profile."""
    visible = [
        version
        for version in _speakers_by(versions, ("profile_id", "shown_at"), at, view)
        if version.fact.shown_at <= at
    ]
    return sorted(visible, key=lambda version: (version.fact.shown_at, version.fact.profile_id))


def _speakers_by(
    versions: Iterable[Recorded[IdentifiedFact]],
    identity: Sequence[str],
    at: int,
    view: View,
) -> list[Recorded[IdentifiedFact]]:
    speakers: dict[Hashable, Recorded[IdentifiedFact]] = {}
    for version in versions:
        if view.counts(version, at):
            key = tuple(getattr(version.fact, name) for name in identity)
            _let_newest_speak(speakers, key, version)
    return [speaker for speaker in speakers.values() if speaker.fact.op is Op.ASSERT]


def _let_newest_speak(
    speakers: dict[Hashable, Recorded[AnyFact]], key: Hashable, version: Recorded[AnyFact]
) -> None:
    speaker = speakers.get(key)
    if speaker is None or _age(version) > _age(speaker):
        speakers[key] = version


def _age(version: Recorded[AnyFact]) -> tuple[int, int]:
    return version.fact.known_at, version.tx_id
