"""Reads how entities are named: by whole numbers, or by texts with a number of their own."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from timetravel.database.compiled_query import NumbersGiven
from timetravel.database.schema import external_id, id_form
from timetravel.errors import InvalidFact, InvalidQuestion, UnknownEntity
from timetravel.facts.external_ids import IdForm, check_external_id, hash_id
from timetravel.facts.model import LARGEST_ID, EntityKind

if TYPE_CHECKING:
    from collections.abc import Sequence

UNKNOWN: Final = "(unknown)"
_WHOLE_NUMBER: Final = re.compile(r"[0-9]{1,19}")


def read_forms(connection: sa.Connection) -> dict[EntityKind, IdForm]:
    """Return the form of ids of each kind that has any facts."""
    rows = connection.execute(sa.select(id_form.c.kind, id_form.c.form))
    return {EntityKind(row.kind): IdForm(row.form) for row in rows}


def read_texts(
    connection: sa.Connection, kind: EntityKind, numbers: Sequence[int]
) -> dict[int, str]:
    """Return the texts of those of some numbers that have one."""
    is_given = external_id.c.entity_id.op("IN", is_comparison=True)
    rows = connection.execute(
        sa.select(external_id.c.entity_id, external_id.c.external_id).where(
            external_id.c.kind == kind.value,
            is_given(NumbersGiven(sa.literal(json.dumps(list(numbers))))),
        )
    )
    return dict(map(tuple, rows))


def read_external_ids(
    connection: sa.Connection, kind: EntityKind, numbers: Sequence[int]
) -> Sequence[int | str]:
    """Return the ids of entities as they were given: whole numbers, or texts.

    An entity whose text is not in the store any more, as of an erased profile, is UNKNOWN.
    """
    if _has_texts(connection, kind):
        texts = read_texts(connection, kind, list(dict.fromkeys(numbers)))
        return [texts.get(number, UNKNOWN) for number in numbers]
    return numbers


def number_entity(connection: sa.Connection, kind: EntityKind, name: str) -> int:
    """Return the number that an entity of a name has, whether or not the store has it.

    Raises:
        InvalidQuestion: The name cannot be that of an entity of the kind.
    """
    return _number(kind, name, has_texts=_has_texts(connection, kind))


def find_entity(connection: sa.Connection, kind: EntityKind, name: str) -> int:
    """Return the number of an entity by its name.

    Raises:
        InvalidQuestion: The name cannot be that of an entity of the kind.
        UnknownEntity: The store has texts, and not this one.
    """
    has_texts = _has_texts(connection, kind)
    number = _number(kind, name, has_texts=has_texts)
    if has_texts and read_texts(connection, kind, [number]).get(number) != name:
        entity = kind.name.lower()
        raise UnknownEntity(
            f"The store has no {entity} {name!r}.",
            remedy="Spaces, case and Unicode forms tell ids apart; give it as it was loaded.",
            field=entity,
        )
    return number


def _has_texts(connection: sa.Connection, kind: EntityKind) -> bool:
    return read_forms(connection).get(kind) is IdForm.TEXTS


def _number(kind: EntityKind, name: str, *, has_texts: bool) -> int:
    entity = kind.name.lower()
    if has_texts:
        try:
            check_external_id(name, field=entity)
        except InvalidFact as error:
            raise InvalidQuestion(error.problem, remedy=error.remedy, field=entity) from None
        return hash_id(kind, name)
    if not _WHOLE_NUMBER.fullmatch(name) or int(name) > LARGEST_ID:
        raise InvalidQuestion(
            f"{name!r} is no {entity}: {entity}s have whole numbers in this store.",
            remedy="Give 0 or more, in 63 bits.",
            field=entity,
        )
    return int(name)
