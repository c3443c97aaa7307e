"""The ledger of facts in memory: the oracle that other ledgers are held against.

Every question is answered by trying: a span by asking the rule at every moment at which
anything may change, an event's page by looking at every page. Slow, and easy to see right.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from core.moments import EARLIEST_MICROS
from tests.oracle.recorded import describe_recorded, edges_of, visible_of
from tests.oracle.resolution import Recorded, View, visible_pages
from timetravel.errors import UnknownEntity
from timetravel.facts.model import EntityKind, EventKind, FactKind, canonical_json
from timetravel.ledger.questions import HistoricalVersion
from timetravel.ledger.spans import Span
from timetravel.ledger.tokens import FactChange, decode_mark
from timetravel.queries.logged_pages import LoggedPage
from timetravel.reading.engagement import NO_POSITION, EngagementRows, check_horizon
from timetravel.reading.profile_search import ProfileCounts, ProfileRows
from timetravel.reading.reader import first_moments, moments_per_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tests.oracle.in_memory import InMemoryFacts
    from tests.oracle.in_memory_reader import InMemoryReader
    from timetravel.facts.model import JsonValue, LoggedPageFact
    from timetravel.ledger.questions import Changes
    from timetravel.ledger.versions import FactVersion, Subject
    from timetravel.reading.profile_search import Strata
    from timetravel.reading.reader import Identities, Moments

Versions: TypeAlias = "list[Recorded[Any]]"
"""All versions of one key, or of one id."""


class InMemoryLedger:
    """Implements `timetravel.ledger.ledger.FactLedger` over `InMemoryFacts`."""

    def __init__(self, facts: InMemoryFacts, reader: InMemoryReader) -> None:
        self._facts = facts
        self._reader = reader
        self.snapshot = reader.snapshot
        self.known_by = reader.known_by

    def entity_history(
        self,
        subject: Subject,
        at: int,
        kinds: Iterable[FactKind] = (),
        names: Sequence[str] = (),
    ) -> list[HistoricalVersion]:
        """Return every version of every fact about a subject; see `FactLedger`."""
        wanted = set(kinds) or set(FactKind)
        found = []
        for kind, versions in self._keys():
            counting = [one for one in versions if self._counts(one, at)]
            for one in counting:
                described = self._describe(kind, one)
                if (
                    kind in wanted
                    and described.about == subject
                    and (not names or described.name in names)
                ):
                    spans = self._spans(kind, counting, one)
                    is_visible = any(span.holds(at) for span in spans)
                    found.append(HistoricalVersion(described, tuple(spans), is_visible))
        if not found:
            raise UnknownEntity(
                f"There is no fact about {subject}.", remedy="Name another.", field="entity"
            )
        return sorted(found, key=lambda one: one.version.place)

    def changed_facts(self, changes: Changes, resume_token: str = "") -> Iterator[FactChange]:
        """Yield what became true or known; see `FactLedger`."""
        mark = decode_mark(changes, resume_token, self.snapshot)
        found = []
        for kind, versions in self._keys():
            for one in versions:
                version = self._describe(kind, one)
                about = (version.about.kind, version.about.entity_id)
                if (
                    self._counts(one, changes.until)
                    and changes.since < changes.instant(version) <= changes.until
                    and (not changes.kinds or kind in changes.kinds)
                    and (not changes.entities or about in changes.entities)
                ):
                    found.append((changes.instant(version), version.place, version))
        for instant, place, version in sorted(found, key=lambda one: one[:2]):
            if mark is None or (instant, place) > (mark.instant, mark.place):
                yield FactChange(version, changes, self.snapshot)

    def find_profiles(
        self, at: int, strata: Strata, after: int | None = None, limit: int = 1000
    ) -> ProfileRows:
        """Return candidates by ascending id; see `FactLedger`."""
        found = [
            (profile_id, values, known_at)
            for profile_id, values, known_at in self._candidates(at, strata)
            if after is None or profile_id > after
        ]
        shown = found[:limit]
        return ProfileRows(
            np.array([profile_id for profile_id, _, _ in shown], np.int64),
            {name: [values[name] for _, values, _ in shown] for name in strata.names},
            np.array([known_at for _, _, known_at in shown], np.int64),
            shown[-1][0] if len(found) > limit else None,
        )

    def count_profiles(self, at: int, strata: Strata) -> ProfileCounts:
        """Return candidates by stratum; see `FactLedger`."""
        counts: dict[tuple[str, ...], int] = {}
        newest = EARLIEST_MICROS
        for _, values, known_at in self._candidates(at, strata):
            stratum = tuple(canonical_json(values[name]) for name in strata.names)
            counts[stratum] = counts.get(stratum, 0) + 1
            newest = max(newest, known_at)
        return ProfileCounts(dict(sorted(counts.items())), newest)

    def logged_pages(
        self,
        at: int,
        since: int | None = None,
        profile_ids: Sequence[int] | None = None,
        *,
        with_features: bool = True,
    ) -> Iterator[LoggedPage]:
        """Yield the pages shown in (since, at]; see `FactLedger`."""
        for fact in self._pages(at):
            if (since is None or fact.shown_at > since) and (
                profile_ids is None or fact.profile_id in profile_ids
            ):
                yield LoggedPage(
                    fact.profile_id,
                    fact.shown_at,
                    fact.known_at,
                    fact.device,
                    fact.context,
                    fact.page,
                    fact.page_digest,
                    tuple(sorted(fact.features, key=lambda own: own.group))
                    if with_features
                    else (),
                )

    def engagement(
        self,
        profile_ids: Identities,
        at: Moments,
        since: Moments | None = None,
        kinds: Sequence[EventKind] = (),
        horizon_micros: int = 0,
    ) -> EngagementRows:
        """Return the events of each row with their pages; see `FactLedger`."""
        horizon = check_horizon(horizon_micros)
        rows = len(profile_ids)
        events = self._reader.history(profile_ids, at, kinds, 0, since)
        newest = events.newest_known_at.copy()
        shown_at: list[int] = []
        row_ids: list[str | None] = []
        positions: list[int] = []
        moments = moments_per_row(at, rows).tolist()
        first = first_moments(since, rows).tolist()
        for row, profile_id in enumerate(int(identity) for identity in profile_ids):
            pages = [
                page for page in self._pages(moments[row]) if page.profile_id == profile_id
            ]
            for version in self._reader.events_of(profile_id, moments[row]):
                fact = version.fact
                if fact.event_at <= first[row] or (kinds and fact.kind not in kinds):
                    continue
                recorded = fact.attribution
                page = next(
                    (p for p in pages if recorded and p.shown_at == recorded.shown_at), None
                )
                row_ids.append(recorded.row_id if recorded and page else None)
                positions.append(recorded.position if recorded and page else NO_POSITION)
                if page is None:
                    before = [p for p in pages if p.shown_at < fact.event_at]
                    page = max(before, key=lambda p: p.shown_at, default=None)
                    if page and fact.event_at - page.shown_at > horizon:
                        page = None
                shown_at.append(page.shown_at if page else EARLIEST_MICROS)
                newest[row] = max(newest[row], page.known_at if page else EARLIEST_MICROS)
        return EngagementRows(
            replace(events, newest_known_at=newest),
            np.array(shown_at, np.int64),
            row_ids,
            np.array(positions, np.int64),
        )

    def _keys(self) -> Iterator[tuple[FactKind, Versions]]:
        facts = self._facts
        for kind, keys in (
            (FactKind.FEATURES, facts.features),
            (FactKind.ATTRIBUTE, facts.attributes),
            (FactKind.ALLOCATION, facts.allocations),
            (FactKind.AVAILABILITY, facts.licences),
            (FactKind.EVENT, facts.events),
            (FactKind.DOCUMENT, facts.documents),
            (FactKind.LOGGED_PAGE, facts.pages),
        ):
            for versions in keys.values():
                yield kind, list(versions)

    def _counts(self, version: Recorded[Any], at: int) -> bool:
        return View(self.snapshot, self.known_by).counts(version, at)

    def _spans(self, kind: FactKind, versions: Versions, wanted: Recorded[Any]) -> list[Span]:
        edges = {edge for one in versions for edge in edges_of(one.fact)}
        instants: list[int | None] = [*sorted(edges), None]
        spans: list[Span] = []
        for instant, following in pairwise(instants):
            assert instant is not None  # only the last is
            view = View(self.snapshot, self.known_by)
            if wanted not in visible_of(kind, versions, instant, view):
                continue
            if spans and spans[-1].until == instant:
                spans[-1] = Span(spans[-1].since, following)
            else:
                spans.append(Span(instant, following))
        return spans

    def _candidates(
        self, at: int, strata: Strata
    ) -> Iterator[tuple[int, dict[str, JsonValue], int]]:
        profiles = {
            entity_id
            for (kind, entity_id, _), versions in self._facts.attributes.items()
            if kind is EntityKind.PROFILE
            and any(one.tx_id <= self.snapshot for one in versions)
        }
        names = strata.all_names
        for profile_id in sorted(profiles):
            rows = self._reader.attributes(EntityKind.PROFILE, [profile_id], at, names)
            values = {name: rows.columns[name][0] for name in names}
            accepted = all(
                canonical_json(values[name]) in {canonical_json(value) for value in accepted}
                for name, accepted in strata.where.items()
            )
            if accepted and any(value is not None for value in values.values()):
                yield profile_id, values, int(rows.newest_known_at[0])

    def _pages(self, at: int) -> list[LoggedPageFact]:
        versions = [one for found in self._facts.pages.values() for one in found]
        view = View(self.snapshot, self.known_by)
        return [version.fact for version in visible_pages(versions, at, view)]

    def _describe(self, kind: FactKind, version: Recorded[Any]) -> FactVersion:
        transaction = self._facts.transactions[version.tx_id]
        return describe_recorded(kind, version, transaction, self._facts.groups)
