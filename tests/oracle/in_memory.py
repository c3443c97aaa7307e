"""Facts in memory: the oracle that stores are held against, and a store for small tests."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.oracle.in_memory_ledger import InMemoryLedger
from tests.oracle.in_memory_reader import InMemoryReader
from tests.oracle.resolution import Recorded, View
from timetravel.errors import UnknownFeatureGroup
from timetravel.facts.model import (
    AllocationFact,
    AttributeFact,
    AvailabilityFact,
    DocumentFact,
    EntityKind,
    EventFact,
    FeatureFact,
    FeatureGroup,
    LoggedPageFact,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from timetravel.facts.model import Fact


@dataclass(frozen=True, slots=True)
class Transaction:
    """One append: when, by whom, and whether a seeded rule made the facts up."""

    committed_at: int = 0
    source: str = ""
    synthetic: bool = False


class InMemoryFacts:
    """All facts of a store, by key.

    An event belongs to the profile that its visible version names, and an earlier version may
    name another; so a profile has the ids of all events that ever were its own.
    """

    def __init__(self) -> None:
        self.groups: dict[str, FeatureGroup] = {}
        self.features: dict[tuple[str, int], list[Recorded[FeatureFact]]] = defaultdict(list)
        self.attributes: dict[tuple[EntityKind, int, str], list[Recorded[AttributeFact]]] = (
            defaultdict(list)
        )
        self.allocations: dict[tuple[int, str], list[Recorded[AllocationFact]]] = defaultdict(
            list
        )
        self.documents: dict[tuple[str, str], list[Recorded[DocumentFact]]] = defaultdict(list)
        self.events: dict[str, list[Recorded[EventFact]]] = defaultdict(list)
        self.event_ids: dict[int, set[str]] = defaultdict(set)
        self.licences: dict[str, list[Recorded[AvailabilityFact]]] = defaultdict(list)
        self.pages: dict[tuple[int, int], list[Recorded[LoggedPageFact]]] = defaultdict(list)
        self.transactions: dict[int, Transaction] = {}
        self.newest_tx_id = 0

    def register(self, group: FeatureGroup) -> None:
        """Register a feature group; a later schema version replaces it."""
        self.groups[group.name] = group

    def append(
        self,
        facts: Iterable[Fact],
        *,
        tx_id: int | None = None,
        transaction: Transaction | None = None,
    ) -> int:
        """Append facts as one transaction, and return its id."""
        self.newest_tx_id = tx_id or self.newest_tx_id + 1
        self.transactions[self.newest_tx_id] = transaction or Transaction()
        for fact in facts:
            self._keep(fact, self.newest_tx_id)
        return self.newest_tx_id

    def as_of(self, snapshot: int | None = None, known_by: int | None = None) -> InMemoryReader:
        """Return a reader of the past."""
        newest_tx_id = self.newest_tx_id if snapshot is None else snapshot
        return InMemoryReader(self, View(newest_tx_id, known_by))

    def ledger(
        self, snapshot: int | None = None, known_by: int | None = None
    ) -> InMemoryLedger:
        """Return a ledger."""
        return InMemoryLedger(self, self.as_of(snapshot, known_by))

    def _keep(self, fact: Fact, tx_id: int) -> None:
        match fact:
            case FeatureFact():
                if fact.group not in self.groups:
                    raise UnknownFeatureGroup(
                        f"There is no feature group {fact.group!r}.",
                        remedy="Register it first.",
                        field="group",
                    )
                key = (fact.group, fact.entity_id)
                self.features[key].append(Recorded(fact, tx_id))
            case AttributeFact():
                name = (fact.kind, fact.entity_id, fact.name)
                self.attributes[name].append(Recorded(fact, tx_id))
            case DocumentFact():
                document = (fact.collection, fact.name)
                self.documents[document].append(Recorded(fact, tx_id))
            case AllocationFact():
                self.allocations[fact.profile_id, fact.test].append(Recorded(fact, tx_id))
            case EventFact():
                self.events[fact.event_id].append(Recorded(fact, tx_id))
                self.event_ids[fact.profile_id].add(fact.event_id)
            case AvailabilityFact():
                self.licences[fact.window_id].append(Recorded(fact, tx_id))
            case LoggedPageFact():
                self.pages[fact.profile_id, fact.shown_at].append(Recorded(fact, tx_id))
