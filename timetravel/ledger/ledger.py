"""The protocol of a ledger: implemented by the store, and by the client of its service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from timetravel.facts.model import EventKind, FactKind
    from timetravel.ledger.questions import Changes, HistoricalVersion
    from timetravel.ledger.tokens import FactChange
    from timetravel.ledger.versions import Subject
    from timetravel.queries.logged_pages import LoggedPage
    from timetravel.reading.engagement import EngagementRows
    from timetravel.reading.profile_search import ProfileCounts, ProfileRows, Strata
    from timetravel.reading.reader import Identities, Moments


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
        """Return candidates by ascending id; see `profile_search.find_profiles`."""
        ...

    def count_profiles(self, at: int, strata: Strata) -> ProfileCounts:
        """Return candidates by stratum; see `profile_search.count_profiles`."""
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
