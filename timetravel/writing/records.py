"""Converts facts into rows of the store's tables, and checks them as one batch."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, assert_never

from timetravel.database import schema
from timetravel.errors import ContradictingFacts
from timetravel.facts.feature_batch import FeatureBatch
from timetravel.facts.logged_features import encode_logged_features
from timetravel.facts.model import (
    ALLOCATION_PREFIX,
    AllocationFact,
    AttributeFact,
    AvailabilityFact,
    DocumentFact,
    EntityKind,
    EventFact,
    FeatureFact,
    LoggedPageFact,
    Op,
    canonical_json,
)
from timetravel.queries import changes
from timetravel.writing.feature_blocks import gather_facts, to_blocks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import sqlalchemy as sa

    from timetravel.database.registry import Registry
    from timetravel.facts.model import Fact
    from timetravel.writing.feature_blocks import FeatureBlock

Row: TypeAlias = "tuple[Any, ...]"


@dataclass(frozen=True, slots=True)
class Records:
    """The rows of one append, sorted by key within each table.

    Attributes:
        rows: Rows by table, columns in the order of the table; those of feature_fact are in
            `features`.
        features: Rows of feature_fact.
        entities: (kind, entity id) of everything that has an attribute.
        edges: (valid edge, known_at) by subject of change; see `timetravel.queries.changes`.
        window_ids: Licence windows among the facts, which may overrule others.
    """

    rows: Mapping[sa.Table, Sequence[Row]]
    features: Sequence[FeatureBlock]
    entities: frozenset[tuple[int, int]]
    edges: Mapping[str, set[tuple[int, int]]]
    window_ids: frozenset[str]


@dataclass(slots=True)
class _Batch:
    tx_id: int
    # Per table: rows by primary key, so that a repetition falls together with its original.
    rows: dict[sa.Table, dict[Row, Row]] = field(default_factory=lambda: defaultdict(dict))
    page_groups: dict[Row, frozenset[str]] = field(default_factory=dict)
    entities: set[tuple[int, int]] = field(default_factory=set)
    edges: dict[str, set[tuple[int, int]]] = field(default_factory=lambda: defaultdict(set))
    window_ids: set[str] = field(default_factory=set)

    def add(self, table: sa.Table, key: Row, rest: Row) -> None:
        found = self.rows[table].setdefault(key, rest)
        if found is not rest and found != rest:
            raise ContradictingFacts(
                f"Two facts of {table.name} have the key {key[:-1]} and differ: "
                f"{_shortened(found)} and {_shortened(rest)}.",
                remedy="Give the one that holds a later known_at.",
                field="facts",
            )

    def note_features(self, blocks: Sequence[FeatureBlock], registry: Registry) -> None:
        groups = {group.group_id: group.group for group in registry.groups.values()}
        for block in blocks:
            group = groups[block.group_id]
            if group.entity_kind is EntityKind.VIDEO:
                pairs = zip(block.valid_from.tolist(), block.known_at.tolist(), strict=True)
                self.edges[changes.features_subject(group.name)].update(pairs)

    def add_attribute(self, fact: AttributeFact) -> None:
        kind = fact.kind.value
        key = (kind, fact.entity_id, fact.name, fact.valid_from, fact.known_at, self.tx_id)
        value = canonical_json(fact.value) if fact.op is Op.ASSERT else None
        self.add(schema.attribute_fact, key, (fact.op.value, value))
        self.entities.add((kind, fact.entity_id))
        if fact.kind is EntityKind.VIDEO:
            subject = changes.attribute_subject(fact.name)
            self.edges[subject].add((fact.valid_from, fact.known_at))

    def add_allocation(self, fact: AllocationFact) -> None:
        kind, name = EntityKind.PROFILE.value, f"{ALLOCATION_PREFIX}{fact.test}"
        key = (kind, fact.profile_id, name, fact.valid_from, fact.known_at, self.tx_id)
        value = canonical_json({"cell": fact.cell}) if fact.op is Op.ASSERT else None
        self.add(schema.attribute_fact, key, (fact.op.value, value))
        self.entities.add((kind, fact.profile_id))

    def add_availability(self, fact: AvailabilityFact) -> None:
        key = (fact.window_id, fact.known_at, self.tx_id)
        rest = (fact.op.value, fact.video_id, fact.country, fact.valid_from, fact.valid_to)
        self.add(schema.availability_fact, key, rest)
        self.edges[changes.AVAILABILITY] |= {
            (fact.valid_from, fact.known_at),
            (fact.valid_to, fact.known_at),
        }
        self.window_ids.add(fact.window_id)

    def add_event(self, fact: EventFact) -> None:
        key = (fact.profile_id, fact.event_at, fact.event_id, fact.known_at, self.tx_id)
        place = None if fact.attribution is None else canonical_json(asdict(fact.attribution))
        rest = (fact.op.value, fact.video_id, fact.kind.value, fact.value, place)
        self.add(schema.event_fact, key, rest)

    def add_document(self, fact: DocumentFact) -> None:
        key = (fact.collection, fact.name, fact.valid_from, fact.known_at, self.tx_id)
        body = None if fact.body is None else canonical_json(fact.body)
        self.add(schema.document_fact, key, (fact.op.value, fact.schema_version, body))

    def add_logged_page(self, fact: LoggedPageFact) -> None:
        key = (fact.shown_at, fact.profile_id, fact.known_at, self.tx_id)
        context = canonical_json(fact.context)
        rest = (fact.op.value, fact.device, context, fact.page, fact.page_digest)
        self.add(schema.logged_page, key, rest)
        groups = frozenset(logged.group for logged in fact.features)
        if self.page_groups.setdefault(key, groups) != groups:
            raise ContradictingFacts(
                f"Two logged pages have the key {key[:-1]} and features of other groups.",
                remedy="Give the one that holds a later known_at.",
                field="facts",
            )
        for logged in fact.features:
            self.add(
                schema.logged_feature,
                (*key, logged.group),
                (len(logged.entity_ids), encode_logged_features(logged)),
            )


def to_records(facts: Iterable[Fact | FeatureBatch], tx_id: int, registry: Registry) -> Records:
    """Return the rows of one append.

    A fact that comes twice is taken once.

    Raises:
        InvalidFact: A fact contradicts itself or the registry.
        UnknownFeatureGroup: A feature fact names a group that nobody registered.
        ContradictingFacts: Two facts have one key and one known_at, and differ.
    """
    batch = _Batch(tx_id)
    features: list[FeatureFact] = []
    batches: list[FeatureBatch] = []
    for fact in facts:
        match fact:
            case FeatureFact():
                features.append(fact)
            case FeatureBatch():
                batches.append(fact)
            case EventFact():
                batch.add_event(fact)
            case AttributeFact():
                batch.add_attribute(fact)
            case AllocationFact():
                batch.add_allocation(fact)
            case AvailabilityFact():
                batch.add_availability(fact)
            case DocumentFact():
                batch.add_document(fact)
            case LoggedPageFact():
                batch.add_logged_page(fact)
            case _:
                assert_never(fact)
    blocks = to_blocks([*gather_facts(features, registry), *batches], registry)
    batch.note_features(blocks, registry)
    _check_one_version_per_event(batch.rows.get(schema.event_fact, {}))
    return Records(
        # Sorted rows fill B-tree pages one after the other: several times faster.
        {
            table: [(*key, *rest) for key, rest in sorted(rows.items(), key=_first)]
            for table, rows in batch.rows.items()
        },
        blocks,
        frozenset(batch.entities),
        batch.edges,
        frozenset(batch.window_ids),
    )


def _first(item: tuple[Row, Row]) -> Row:
    return item[0]


def _check_one_version_per_event(rows: Mapping[Row, Row]) -> None:
    # An event is found by profile and time, but versions are told apart by id and known_at.
    seen: dict[Row, Row] = {}
    for key in rows:
        version = (key[2], key[3])
        if seen.setdefault(version, key) is not key:
            raise ContradictingFacts(
                f"Two facts of event {version[0]} are known at {version[1]} and differ: "
                f"{seen[version][:2]} and {key[:2]}.",
                remedy="Give the one that holds a later known_at.",
                field="facts",
            )


def _shortened(rest: Row) -> str:
    text = str(rest)
    longest = 120
    return text if len(text) <= longest else f"{text[:longest]}..."
