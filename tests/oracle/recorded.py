"""Facts in memory as the ledger shows them, and what the rule says of them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tests.oracle.resolution import (
    visible_events,
    visible_licences,
    visible_pages,
    visible_version,
)
from timetravel.facts.model import (
    AllocationFact,
    AttributeFact,
    AvailabilityFact,
    DocumentFact,
    EntityKind,
    EventFact,
    FactKind,
    FeatureFact,
    LoggedPageFact,
)
from timetravel.ledger.values import (
    document_value,
    event_value,
    features_value,
    page_value,
)
from timetravel.ledger.versions import FactVersion, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.oracle.in_memory import Transaction
    from tests.oracle.resolution import Recorded, View
    from timetravel.facts.model import Fact, FeatureGroup, JsonValue


def describe_recorded(
    kind: FactKind,
    version: Recorded[Any],
    transaction: Transaction,
    groups: Mapping[str, FeatureGroup],
) -> FactVersion:
    """Return a fact as the ledger shows it.

    Args:
        kind: Of the fact.
        version: The fact with its tx_id.
        transaction: That appended it.
        groups: The registered feature groups.
    """
    fact = version.fact
    about, name, valid_from = _key(fact, groups)
    return FactVersion(
        kind,
        about,
        name,
        valid_from,
        fact.valid_to if isinstance(fact, AvailabilityFact) else None,
        fact.known_at,
        version.tx_id,
        transaction.committed_at,
        transaction.source,
        transaction.synthetic,
        fact.op,
        _value(fact, groups),
    )


def visible_of(
    kind: FactKind, versions: Sequence[Recorded[Any]], at: int, view: View
) -> list[Recorded[Any]]:
    """Return the visible ones among the versions of one key or id."""
    if kind is FactKind.EVENT:
        return list(visible_events(versions, at, view))
    if kind is FactKind.AVAILABILITY:
        return list(visible_licences(versions, at, view))
    if kind is FactKind.LOGGED_PAGE:
        return list(visible_pages(versions, at, view))
    version = visible_version(versions, at, view)
    return [] if version is None else [version]


def edges_of(fact: Fact) -> Iterator[int]:
    """Yield the moments at which what is visible may change because of a fact."""
    yield fact.known_at
    match fact:
        case EventFact():
            yield fact.event_at
        case LoggedPageFact():
            yield fact.shown_at
        case AvailabilityFact():
            yield fact.valid_from
            yield fact.valid_to
        case _:
            yield fact.valid_from


def _key(fact: Fact, groups: Mapping[str, FeatureGroup]) -> tuple[Subject, str, int]:
    profile, video = EntityKind.PROFILE, EntityKind.VIDEO
    match fact:
        case FeatureFact():
            about = Subject(groups[fact.group].entity_kind, fact.entity_id)
            key = about, fact.group, fact.valid_from
        case AttributeFact():
            key = Subject(fact.kind, fact.entity_id), fact.name, fact.valid_from
        case AllocationFact():
            key = Subject(profile, fact.profile_id), fact.test, fact.valid_from
        case AvailabilityFact():
            key = Subject(video, fact.video_id), fact.window_id, fact.valid_from
        case EventFact():
            key = Subject(profile, fact.profile_id), fact.event_id, fact.event_at
        case DocumentFact():
            key = Subject.document(fact.collection, fact.name), "", fact.valid_from
        case _:
            key = Subject(profile, fact.profile_id), "", fact.shown_at
    return key


def _value(fact: Fact, groups: Mapping[str, FeatureGroup]) -> JsonValue:
    value: JsonValue = None
    match fact:
        case FeatureFact() if fact.values is not None:
            value = features_value(groups[fact.group].fields, fact.values.tolist())
        case AttributeFact():
            value = fact.value
        case AllocationFact():
            value = fact.cell
        case AvailabilityFact():
            value = {"country": fact.country}
        case EventFact():
            recorded = None if fact.attribution is None else asdict(fact.attribution)
            value = event_value(fact.kind.value, fact.video_id, fact.value, recorded)
        case DocumentFact():
            value = document_value(fact.schema_version, fact.body)
        case LoggedPageFact():
            value = page_value(fact.device, fact.context, fact.page_digest)
    return value
