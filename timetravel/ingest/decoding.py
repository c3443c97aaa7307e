"""Decodes the records of a chunk into facts, or reports what is wrong with each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from timetravel.errors import InvalidChunk, InvalidFact
from timetravel.facts.external_ids import ExternalIds
from timetravel.ingest.features import FeatureColumns
from timetravel.ingest.fields import Fields
from timetravel.ingest.groups import read_groups
from timetravel.ingest.mistakes import Mistakes
from timetravel.ingest.readers import readers_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from pagesim.ingest.v1 import ingest_pb2

    from timetravel.database.registry import Registry
    from timetravel.facts.external_ids import EntityNames
    from timetravel.facts.feature_batch import FeatureBatch
    from timetravel.facts.model import Fact, FeatureGroup
    from timetravel.ingest.rules import Rules


@dataclass(frozen=True, slots=True)
class DecodedChunk:
    """What the records of a chunk say.

    Attributes:
        facts: Facts that are not features, and the place of each among the records.
        batches: Features, and the places of their rows.
        external_ids: Texts behind the numbers of entities that have texts.
    """

    facts: Sequence[tuple[int, Fact]]
    batches: Sequence[tuple[Sequence[int], FeatureBatch]]
    external_ids: ExternalIds = field(default_factory=ExternalIds)

    def __len__(self) -> int:
        return len(self.facts) + sum(len(batch) for _, batch in self.batches)

    def all(self) -> list[Fact | FeatureBatch]:
        """Return everything, as `Writer.append` takes it."""
        facts: list[Fact | FeatureBatch] = [fact for _, fact in self.facts]
        return [*facts, *(batch for _, batch in self.batches if len(batch))]

    def each(self) -> Iterator[tuple[int, Fact | FeatureBatch]]:
        """Yield every fact by itself, with the place of its record."""
        yield from self.facts
        for indexes, batch in self.batches:
            for row, index in enumerate(indexes):
                yield index, batch.take(np.array([row], np.int64))

    def without(self, indexes: Collection[int]) -> DecodedChunk:
        """Return the chunk without the facts of some records."""
        batches = []
        for places, batch in self.batches:
            keep = [row for row, place in enumerate(places) if place not in indexes]
            kept = batch.take(np.array(keep, np.int64))
            batches.append(([places[row] for row in keep], kept))
        facts = [(place, fact) for place, fact in self.facts if place not in indexes]
        return DecodedChunk(facts, batches, self.external_ids)


def check_header(request: ingest_pb2.IngestRequest, rules: Rules) -> None:
    """Refuse a chunk whose own fields are wrong, whatever its records say.

    Raises:
        InvalidChunk: The field at fault is named.
    """
    entries = len(request.records) + len(request.feature_groups)
    if not 1 <= entries <= rules.limits.chunk_records:
        raise InvalidChunk(
            f"A chunk has {entries} records and feature groups, outside 1 to "
            f"{rules.limits.chunk_records}.",
            remedy="Send more, smaller chunks, and none that is empty.",
            field="records",
        )
    if request.sequence < 1:
        raise InvalidChunk(
            f"{request.sequence} is not a position in a stream.",
            remedy="Count chunks from 1.",
            field="sequence",
        )
    for name, check in (
        ("stream", rules.name),
        ("source", rules.name),
        ("bookmark", rules.bookmark),
    ):
        try:
            check(getattr(request, name))
        except InvalidFact as error:
            raise InvalidChunk(error.problem, remedy=error.remedy, field=name) from None
    whole = request.ByteSize()
    request.DiscardUnknownFields()
    if request.ByteSize() != whole:
        raise InvalidChunk(
            "The chunk holds fields that are not known here.",
            remedy="Leave them out, or send it to a pagesim of your protos' version.",
            field="records",
        )


def decode_groups(
    request: ingest_pb2.IngestRequest, rules: Rules
) -> Sequence[tuple[int, FeatureGroup]]:
    """Return the feature groups of a chunk, and the place of each.

    Raises:
        InvalidChunk: One of them is wrong.
    """
    mistakes = Mistakes(rules.limits.mistakes)
    groups = read_groups(request.feature_groups, rules, mistakes)
    refuse(mistakes)
    return groups


def decode_records(
    records: Sequence[ingest_pb2.Record], registry: Registry, rules: Rules, names: EntityNames
) -> DecodedChunk:
    """Return what records say.

    Args:
        records: Of one chunk.
        registry: The feature groups that there are.
        rules: What values must meet.
        names: How the store names entities.

    Raises:
        InvalidChunk: One of them is wrong; every mistake is counted.
    """
    mistakes = Mistakes(rules.limits.mistakes)
    features = FeatureColumns(registry)
    readers = readers_of(registry)
    facts: list[tuple[int, Fact]] = []
    for index, record in enumerate(records):
        fields = Fields(index, rules, mistakes, names)
        kind = record.WhichOneof("fact")
        if kind == "feature":
            features.read(index, record, fields)
            continue
        if kind is None:
            fields.wrong("fact", None, "Nothing is given.", "Give one kind of fact.")
            continue
        read = readers[kind]
        try:
            fact = read(record, fields)
        except InvalidFact as error:
            # What the model refuses beyond the rules, e.g. an end before the beginning.
            fields.wrong(f"{kind}.{error.field}", None, error.problem, error.remedy)
            continue
        if fact is not None:
            facts.append((index, fact))
    refuse(mistakes)
    return DecodedChunk(facts, features.batches(), names.external_ids)


def refuse(mistakes: Mistakes) -> None:
    """Raise the error that tells the mistakes, if there are any.

    Raises:
        InvalidChunk: There are.
    """
    if mistakes.total:
        first = mistakes.kept[0]
        raise InvalidChunk(
            f"The chunk has {mistakes.total} mistakes; the first, of record {first.index}, "
            f"is {first}",
            remedy="Fix or leave out these records, and send the chunk again.",
            field="records",
            mistakes=mistakes.kept,
            total_mistakes=mistakes.total,
        )
