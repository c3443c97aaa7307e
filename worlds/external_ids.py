"""Names members and videos by texts, for worlds whose ids are to be like those of a company.

The text of a number is a UUID of version 5 (RFC 9562) of the kind of entity and the number, and
nothing else: the same member has the same text in every world. Facts hold the number that a
store has for the text, `hash_id`; no value of an attribute or a document names an entity.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from timetravel.errors import InvalidFact
from timetravel.facts.external_ids import ExternalIds
from timetravel.facts.model import (
    AttributeFact,
    AvailabilityFact,
    EntityKind,
    EventFact,
    LoggedPageFact,
)
from worlds.errors import MalformedWorld
from worlds.timeline import open_records

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from core.arrays import Int64Array
    from timetravel.facts.model import Fact

FILE_NAME: Final = "ids.parquet"
_SCHEMA: Final = pa.schema(
    [
        pa.field("kind", pa.int8(), nullable=False),
        pa.field("entity_id", pa.int64(), nullable=False),
        pa.field("external_id", pa.string(), nullable=False),
    ]
)
_NAMESPACES: Final = {
    kind: uuid.uuid5(uuid.NAMESPACE_OID, f"pagesim.world.{kind.name.lower()}")
    for kind in EntityKind
}
_COLUMNS: Final = {"profile_id": EntityKind.PROFILE, "video_id": EntityKind.VIDEO}


def text_of(kind: EntityKind, number: int) -> str:
    """Return the text by which an entity is known that has a number otherwise."""
    return str(uuid.uuid5(_NAMESPACES[kind], str(number)))


class Renaming:
    """Give the entities in tables the numbers of their texts, and keep the texts."""

    def __init__(self) -> None:
        self._external_ids = ExternalIds()

    def table(self, table: pa.Table) -> pa.Table:
        """Return a table of facts in which every id is that of the entity's text."""
        for name, kind in _COLUMNS.items():
            if name in table.column_names:
                table = _replace(table, name, self.ids(kind, table[name].to_numpy()))
        if "entity_id" in table.column_names:
            kinds, ids = table["kind"].to_numpy(), table["entity_id"].to_numpy().copy()
            for kind in EntityKind:
                ids[kinds == kind] = self.ids(kind, ids[kinds == kind])
            table = _replace(table, "entity_id", ids)
        return table

    def ids(self, kind: EntityKind, numbers: Int64Array) -> Int64Array:
        """Return the number of each entity's text: int64[entities]."""
        distinct, places = np.unique(numbers, return_inverse=True)
        hashed = [
            self._external_ids.note(kind, text_of(kind, number), field=FILE_NAME)
            for number in distinct.tolist()
        ]
        return np.array(hashed, np.int64)[places]

    def write(self, path: Path) -> int:
        """Write the texts to a Parquet file; return how many there are."""
        records = [
            {"kind": kind.value, "entity_id": number, "external_id": text}
            for kind in EntityKind
            for number, text in sorted(self._external_ids.texts[kind].items())
        ]
        pq.write_table(pa.Table.from_pylist(records, _SCHEMA), path, compression="zstd")
        return len(records)


def read_external_ids(path: Path) -> ExternalIds:
    """Return the texts in a file.

    Raises:
        MalformedWorld: It is missing or damaged, or a number is not that of its text.
    """
    external_ids = ExternalIds()
    with open_records(path, _SCHEMA) as file:
        records = file.read().to_pylist()
    for record in records:
        text, number = record["external_id"], record["entity_id"]
        try:
            right = external_ids.note(EntityKind(record["kind"]), text, field=FILE_NAME)
        except (InvalidFact, ValueError) as error:
            raise _changed(path, str(error)) from error
        if right != number:
            raise _changed(path, f"{text!r} has the number {right}, not {number}.")
    return external_ids


def choose_texts(external_ids: ExternalIds, facts: Iterable[Fact]) -> ExternalIds:
    """Return the texts of the entities that facts are about, other than features.

    Raises:
        MalformedWorld: A fact is about an entity that has no text, where others have.
    """
    chosen = ExternalIds()
    if not any(external_ids.texts.values()):
        return chosen
    for fact in facts:
        for kind, number in _entities(fact):
            text = external_ids.texts[kind].get(number)
            if text is None:
                raise MalformedWorld(
                    f"A fact is about the {kind.name.lower()} {number}, which has no text.",
                    remedy="Make the world again: its files were changed.",
                    field=FILE_NAME,
                )
            chosen.texts[kind][number] = text
    return chosen


def _entities(fact: Fact) -> Iterator[tuple[EntityKind, int]]:
    if isinstance(fact, AttributeFact):
        yield fact.kind, fact.entity_id
    if isinstance(fact, EventFact | LoggedPageFact):
        yield EntityKind.PROFILE, fact.profile_id
    if isinstance(fact, EventFact | AvailabilityFact):
        yield EntityKind.VIDEO, fact.video_id


def _replace(table: pa.Table, name: str, ids: Int64Array) -> pa.Table:
    place = table.column_names.index(name)
    return table.set_column(place, table.schema.field(place), pa.array(ids))


def _changed(path: Path, problem: str) -> MalformedWorld:
    return MalformedWorld(
        f"{path} is not right: {problem}",
        remedy="Make the world again: its files were changed.",
        field=FILE_NAME,
    )
