"""Settles how the first facts of a kind of entity name it, from all records of their chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from timetravel.errors import InvalidFact
from timetravel.facts.external_ids import EntityNames, IdForm
from timetravel.facts.model import EntityKind
from timetravel.ingest.pages import kinds_of_texts, parse_page

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pagesim.ingest.v1 import ingest_pb2

    from timetravel.database.registry import Registry

_KINDS = {kind.value: kind for kind in EntityKind}


def names_of(
    records: Sequence[ingest_pb2.Record], registry: Registry, forms: Mapping[EntityKind, IdForm]
) -> EntityNames:
    """Return how entities are named, so that the order of records makes no difference.

    A kind that has no facts yet has texts if any record gives one.

    Args:
        records: Of one chunk.
        registry: The feature groups that there are.
        forms: How entities are named, of each kind that has any facts.
    """
    names = EntityNames(forms)
    unknown = set(EntityKind) - set(forms)
    for record in records:
        if not unknown:
            break
        for kind in unknown.intersection(_kinds_of_texts(record, registry)):
            names.settle(kind, IdForm.TEXTS)
            unknown.remove(kind)
    return names


def _kinds_of_texts(record: ingest_pb2.Record, registry: Registry) -> Iterator[EntityKind]:
    """Yield the kinds of entities that a record names by texts."""
    fact = record.WhichOneof("fact")
    if fact is None or fact == "document":
        return
    message = getattr(record, fact)
    given = {field.name for field, _ in message.ListFields()}
    if "profile_external_id" in given:
        yield EntityKind.PROFILE
    if "video_external_id" in given:
        yield EntityKind.VIDEO
    if "entity_external_id" in given:
        yield from (
            _kind_of_group(message.group, registry)
            if fact == "feature"
            else (kind for value, kind in _KINDS.items() if value == message.kind)
        )
    if fact == "logged_page":
        yield from _kinds_on_page(message, registry)


def _kinds_on_page(
    message: ingest_pb2.LoggedPageRecord, registry: Registry
) -> Iterator[EntityKind]:
    for logged in message.features:
        if logged.entity_external_ids:
            yield from _kind_of_group(logged.group, registry)
    try:
        yield from kinds_of_texts(parse_page(message.page))
    except InvalidFact:
        return  # it is told when the record is decoded


def _kind_of_group(name: str, registry: Registry) -> Iterator[EntityKind]:
    registered = registry.groups.get(name)
    if registered is not None:
        yield registered.group.entity_kind
