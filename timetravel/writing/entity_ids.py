"""Holds facts to the form of ids that a store has for each kind of entity."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from timetravel.database.schema import (
    attribute_fact,
    availability_fact,
    event_fact,
    external_id,
    id_form,
    logged_feature,
    logged_page,
)
from timetravel.errors import InvalidFact
from timetravel.facts.external_ids import ExternalIds, IdForm, check_same
from timetravel.facts.logged_features import decode_logged_features
from timetravel.facts.model import EntityKind
from timetravel.queries.entity_ids import read_texts
from timetravel.writing.bulk import insert

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import sqlalchemy as sa

    from core.arrays import Int64Array
    from timetravel.database.registry import Registry
    from timetravel.writing.records import Records

NewTexts: TypeAlias = "Sequence[tuple[int, int, str]]"
"""Kind, number and text of ids that the store does not have yet."""
NO_TEXTS: Final = ExternalIds()


@dataclass(frozen=True, slots=True)
class EntityIds:
    """Say what an append adds to what is known of ids.

    Attributes:
        forms: Kinds of which these are the first facts, and the form of their ids.
        texts: Of ids that the store does not have yet.
    """

    forms: Sequence[tuple[int, int]] = field(default_factory=list)
    texts: NewTexts = field(default_factory=list)

    def write(self, connection: sa.Connection, tx_id: int) -> None:
        """Add them."""
        insert(connection, id_form, [(*row, tx_id) for row in self.forms])
        insert(connection, external_id, [(*row, tx_id) for row in self.texts])


def check_ids(
    connection: sa.Connection,
    records: Records,
    registry: Registry,
    given: ExternalIds,
    forms: Mapping[EntityKind, IdForm],
    *,
    with_mentioned: bool,
) -> EntityIds:
    """Return what an append adds to what is known of ids.

    Args:
        connection: To the store.
        records: What is appended.
        registry: The feature groups.
        given: Texts behind the numbers of the records.
        forms: The form of ids of each kind that has facts already.
        with_mentioned: Whether texts of videos that no record is about are kept as well:
            attributes and pages name videos, too. Of profiles no more is kept than records are
            about: what was refused may be about one that was erased.

    Raises:
        InvalidFact: Ids are texts where the store has whole numbers, or the other way round;
            or two texts have one number.
    """
    new_forms: list[tuple[int, int]] = []
    new_texts: list[tuple[int, int, str]] = []
    for kind in EntityKind:
        texts, form = given.texts[kind], forms.get(kind)
        if form is IdForm.NUMBERS and not texts:
            continue
        used = find_ids(records, registry, kind).tolist()
        if kind is EntityKind.VIDEO and with_mentioned:
            used = sorted({*used, *texts})
        if not used:
            continue
        if form is None:
            form = IdForm.TEXTS if texts else IdForm.NUMBERS
            new_forms.append((kind.value, form.value))
        if form is IdForm.TEXTS:
            stored = read_texts(connection, kind, used)
            new_texts += [
                (kind.value, number, text)
                for number, text in _match(kind, used, texts, stored).items()
                if number not in stored
            ]
        elif texts:
            text = next(iter(texts.values()))
            raise InvalidFact(
                f"{text!r} is a text, and {kind.name.lower()}s have whole numbers in this "
                "store.",
                remedy="Give their numbers, or load everything into a new store.",
                field="entity_id",
            )
    return EntityIds(new_forms, new_texts)


def _match(
    kind: EntityKind, used: Sequence[int], given: Mapping[int, str], stored: Mapping[int, str]
) -> Mapping[int, str]:
    """Return the text of each number, as it was given or is stored.

    Raises:
        InvalidFact: A number has none, or two.
    """
    texts = {}
    for number in used:
        text = given.get(number, stored.get(number))
        if text is None:
            raise InvalidFact(
                f"{number} is a whole number, and {kind.name.lower()}s have texts in this "
                "store.",
                remedy="Give their texts; in a mapping: {column: NAME, as: text}.",
                field="entity_id",
            )
        check_same(kind, number, stored.get(number, text), text)
        texts[number] = text
    return texts


def find_ids(records: Records, registry: Registry, kind: EntityKind) -> Int64Array:
    """Return the entities of a kind that records are about: int64[], ascending, distinct."""
    return np.unique(np.concatenate([np.zeros(0, np.int64), *_ids(records, registry, kind)]))


def without_new(records: Records, registry: Registry, texts: NewTexts) -> Records:
    """Return records without attributes and features of entities that are new.

    The store has none of these yet, so need not be asked: numbers of texts lie anywhere among
    those that it has, and each would be looked for.

    Args:
        records: What is appended.
        registry: The feature groups.
        texts: Of entities that the store does not have yet.
    """
    if not texts:
        return records
    new = {(kind, number) for kind, number, _ in texts}
    attributes = [row for row in records.rows.get(attribute_fact, ()) if row[:2] not in new]
    kinds = {one.group_id: one.group.entity_kind for one in registry.groups.values()}
    numbers = {
        kind: np.array([number for one, number in new if one == kind.value], np.int64)
        for kind in EntityKind
    }
    return replace(
        records,
        rows={**records.rows, attribute_fact: attributes},
        features=[
            block.take(
                np.flatnonzero(~np.isin(block.entity_ids, numbers[kinds[block.group_id]]))
            )
            for block in records.features
        ],
    )


def _ids(records: Records, registry: Registry, kind: EntityKind) -> Iterator[Int64Array]:
    groups = [group for group in registry.groups.values() if group.group.entity_kind is kind]
    group_ids, names = {one.group_id for one in groups}, {one.group.name for one in groups}
    rows = records.rows

    def column(table: sa.Table, place: int) -> Int64Array:
        return np.array([row[place] for row in rows.get(table, ())], np.int64)

    yield from (block.entity_ids for block in records.features if block.group_id in group_ids)
    attributed = [number for one, number in records.entities if one == kind.value]
    yield np.array(attributed, np.int64)
    if kind is EntityKind.PROFILE:
        yield column(event_fact, 0)
        yield column(logged_page, 1)
    else:
        yield column(event_fact, _place(event_fact, "video_id"))
        yield column(availability_fact, _place(availability_fact, "video_id"))
    # A page may have used the features of another entity than its own.
    for *_, group, entities, columns in rows.get(logged_feature, ()):
        if group in names:
            yield decode_logged_features(group, entities, columns).entity_ids


def _place(table: sa.Table, name: str) -> int:
    return [column.name for column in table.columns].index(name)
