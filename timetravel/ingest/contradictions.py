"""Finds the records of a chunk that the store refuses."""

from __future__ import annotations

from collections import defaultdict
from operator import itemgetter
from typing import TYPE_CHECKING, Final, TypeAlias, assert_never

from timetravel.errors import BeforeRetention, ContradictingFacts, ProfileErased
from timetravel.facts.model import (
    AllocationFact,
    AttributeFact,
    AvailabilityFact,
    DocumentFact,
    EventFact,
    FeatureFact,
    LoggedPageFact,
    canonical_json,
)
from timetravel.ingest.mistakes import Mistakes

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

    from timetravel.errors import TimeTravelError
    from timetravel.facts.model import Fact
    from timetravel.ingest.decoding import DecodedChunk
    from timetravel.writing.writer import Writer

REFUSALS: Final = (ContradictingFacts, ProfileErased, BeforeRetention)
"""What a writer raises of records that are right in themselves."""

KeyedContent: TypeAlias = "tuple[Hashable, Hashable]"
"""What no two facts of a chunk may share, and what they say: alike, they are repetitions."""


def find_refused(
    chunk: DecodedChunk, writer: Writer, error: TimeTravelError, kept_at_most: int
) -> Mistakes:
    """Return what is wrong with the records of a chunk that a writer refused.

    Args:
        chunk: Right in itself.
        writer: Refused it.
        error: With this.
        kept_at_most: How many mistakes are told.
    """
    if isinstance(error, ContradictingFacts):
        return find_contradictions(chunk, kept_at_most)
    mistakes = Mistakes(kept_at_most)
    for index, fact in sorted(chunk.each(), key=itemgetter(0)):
        try:
            writer.check([fact])
        except REFUSALS as refused:
            mistakes.add(index, refused.field, None, refused.problem, refused.remedy)
    return mistakes


def find_contradictions(chunk: DecodedChunk, kept_at_most: int) -> Mistakes:
    """Return a mistake for every record whose key another one has, saying something else.

    None of them is more right than the others, so all are named.
    """
    said: dict[Hashable, list[tuple[int, Hashable]]] = defaultdict(list)
    for index, (key, content) in _keyed_contents(chunk):
        said[key].append((index, content))
    found: list[tuple[int, int]] = []
    for records in said.values():
        if len({content for _, content in records}) > 1:
            for index, content in records:
                other = next(other for other, told in records if told != content)
                found.append((index, other))
    mistakes = Mistakes(kept_at_most)
    for index, other in sorted(found):
        mistakes.add(
            index,
            "known_at",
            None,
            f"Record {other} has the same key and the same known_at, and differs.",
            "Keep one, or give a later known_at to the one that holds.",
        )
    return mistakes


def _keyed_contents(chunk: DecodedChunk) -> Iterator[tuple[int, KeyedContent]]:
    for index, fact in chunk.facts:
        yield index, _keyed_content(fact)
    for indexes, batch in chunk.batches:
        columns: Iterable[tuple[int, int, int, int]] = zip(
            batch.entity_ids.tolist(),
            batch.valid_from.tolist(),
            batch.known_at.tolist(),
            batch.ops.tolist(),
            strict=True,
        )
        for row, (index, (*key, op)) in enumerate(zip(indexes, columns, strict=True)):
            content = (batch.schema_version, op, batch.values[row].tobytes())
            yield index, ((batch.group, *key), content)


def _keyed_content(fact: Fact) -> KeyedContent:
    match fact:
        case AttributeFact():
            key = (fact.kind, fact.entity_id, fact.name, fact.valid_from, fact.known_at)
            return key, (fact.op, canonical_json(fact.value))
        case AllocationFact():
            told = ("allocation", fact.profile_id, fact.test, fact.valid_from, fact.known_at)
            return told, (fact.op, fact.cell)
        case AvailabilityFact():
            return ("window", fact.window_id, fact.known_at), fact
        case EventFact():
            return ("event", fact.event_id, fact.known_at), fact
        case DocumentFact():
            document = (fact.collection, fact.name, fact.valid_from, fact.known_at)
            body = None if fact.body is None else canonical_json(fact.body)
            return document, (fact.op, fact.schema_version, body)
        case LoggedPageFact():
            page = ("page", fact.profile_id, fact.shown_at, fact.known_at)
            features = tuple(
                (
                    logged.group,
                    *(
                        column.tobytes()
                        for column in (
                            logged.entity_ids,
                            logged.values,
                            logged.known_at,
                            logged.valid_from,
                        )
                    ),
                )
                for logged in fact.features
            )
            context = canonical_json(fact.context)
            return page, (fact.op, fact.device, context, fact.page, features)
        case FeatureFact():
            raise AssertionError("features come in batches")
        case _:
            assert_never(fact)
