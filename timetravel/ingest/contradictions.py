"""Finds the records of a chunk that the store refuses."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from timetravel.errors import BeforeRetention, ContradictingFacts, ProfileErased
from timetravel.ingest.mistakes import Mistakes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from timetravel.facts.feature_batch import FeatureBatch
    from timetravel.facts.model import Fact
    from timetravel.ingest.decoding import DecodedChunk
    from timetravel.writing.stored_versions import Content, Version
    from timetravel.writing.writer import Writer

REFUSALS: Final = (ContradictingFacts, ProfileErased, BeforeRetention)
"""What a writer raises of records that are right in themselves."""
_REMEDY: Final = "Keep one, or give a later known_at to the one that holds."


def find_refused(chunk: DecodedChunk, writer: Writer, kept_at_most: int) -> Mistakes:
    """Return what is wrong with the records of a chunk that a writer refused.

    Records are judged in their order, each beside the store and beside those before it that
    are not refused themselves: so it makes no difference where a chunk ends.

    Args:
        chunk: Right in itself.
        writer: Refused it.
        kept_at_most: How many mistakes are told.
    """
    by_record: dict[int, list[Fact | FeatureBatch]] = defaultdict(list)
    for index, fact in chunk.each():
        by_record[index].append(fact)
    refused: dict[int, tuple[str, str, str]] = {}
    said: dict[int, Mapping[Version, Content]] = {}
    for index, facts in sorted(by_record.items()):
        try:
            said[index] = writer.check(facts, chunk.external_ids)
        except ContradictingFacts:
            refused[index] = ("known_at", "The record contradicts itself.", _REMEDY)
        except REFUSALS as error:
            refused[index] = (error.field, error.problem, error.remedy)
    held = writer.stored(version for contents in said.values() for version in contents)
    holder: dict[Version, int] = {}
    for index, contents in said.items():
        differs = [
            one for one, content in contents.items() if held.get(one, content) != content
        ]
        if differs:
            who = (
                f"Record {holder[differs[0]]}"
                if differs[0] in holder
                else "A fact in the store"
            )
            rule = f"{who} has the same key and the same known_at, and differs."
            refused[index] = ("known_at", rule, _REMEDY)
        else:
            held.update(contents)
            holder.update(dict.fromkeys(contents, index))
    mistakes = Mistakes(kept_at_most)
    for index, (field, rule, remedy) in sorted(refused.items()):
        mistakes.add(index, field, None, rule, remedy)
    return mistakes
