"""What the ledger is asked, and what it answers.

A ledger reads a snapshot, as known by a moment K. Without a K everything is read as known at
the moment asked about, as `timetravel.reader.FactReader` does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol

from timetravel.errors import InvalidQuestion

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from timetravel.candidates import ProfileCounts, ProfileRows, Strata
    from timetravel.engagement import EngagementRows
    from timetravel.ledger.spans import Span
    from timetravel.ledger.tokens import FactChange
    from timetravel.ledger.versions import FactVersion, Subject
    from timetravel.logged_pages import LoggedPage
    from timetravel.model import EntityKind, EventKind, FactKind
    from timetravel.reader import Identities, Moments


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


class FactLedger(Protocol):
    """Answers questions about the record itself."""

    def entity_history(
        self,
        subject: Subject,
        at: int,
        kinds: Iterable[FactKind] = (),
        names: Sequence[str] = (),
    ) -> list[HistoricalVersion]:
        """Return every version of every fact about a subject, in the order of the ledger.

        Args:
            subject: An entity or a document.
            at: The moment at which `is_visible` is meant.
            kinds: Kinds of facts; none means all.
            names: Names of facts, as in `FactVersion`; none means all.

        Raises:
            UnknownEntity: There is not one version, of whatever kind and name.
        """
        ...

    def changed_facts(self, changes: Changes, resume_token: str = "") -> Iterator[FactChange]:
        """Yield what became true or known; each has the token that resumes after it.

        The order is that of the time asked about, then that of the ledger.

        Raises:
            InvalidQuestion: The token is of another question, or of another snapshot.
        """
        ...

    def find_profiles(
        self, at: int, strata: Strata, after: int | None = None, limit: int = 1000
    ) -> ProfileRows:
        """Return candidates by ascending id; see `timetravel.candidates.find_profiles`."""
        ...

    def count_profiles(self, at: int, strata: Strata) -> ProfileCounts:
        """Return candidates by stratum; see `timetravel.candidates.count_profiles`."""
        ...

    def logged_pages(
        self,
        at: int,
        since: int | None = None,
        profile_ids: Sequence[int] | None = None,
        *,
        with_features: bool = True,
    ) -> Iterator[LoggedPage]:
        """Yield the pages shown in (since, at], by moment and profile.

        Args:
            at: The last moment.
            since: The moment before the first; None means from the first.
            profile_ids: Whose; None means everybody's.
            with_features: Whether to read the features that were logged with each page.
        """
        ...

    def engagement(
        self,
        profile_ids: Identities,
        at: Moments,
        since: Moments | None = None,
        kinds: Sequence[EventKind] = (),
        horizon_micros: int = 0,
    ) -> EngagementRows:
        """Return the events of each row with the logged pages that they followed.

        Args:
            profile_ids: One profile per row.
            at: Moments; events at them are included.
            since: Only events after this moment; None means from the first.
            kinds: Kinds to read; none means all.
            horizon_micros: For how long after a page an event may follow it; 0 means a day.

        Raises:
            InvalidQuestion: There are not as many moments as profiles.
        """
        ...
