"""Ids as a company has them: whole numbers as they are, texts under a number of their own.

A text is known inside by 63 bits of its keyed hash. The number depends on the text and the kind
of entity alone, so neither the order in which facts come nor the store decides a tie, a draw or
a byte. The way back is a dictionary in the store; two texts with one number are refused.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from timetravel.errors import InvalidFact
from timetravel.facts.model import EntityKind

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_ID_BYTES: Final = 512
"""Of a text in UTF-8."""

_KEYS: Final = {kind: f"pagesim.external_id.v1.{kind.name}".encode() for kind in EntityKind}


class IdForm(IntEnum):
    """How the entities of a kind are named in a store, from its first fact of that kind on."""

    NUMBERS = 1
    TEXTS = 2


def check_external_id(text: str, *, field: str) -> None:
    """Refuse a text that cannot be an id. Spaces, case and Unicode forms tell ids apart.

    Raises:
        InvalidFact: It is empty or too long, or no store can hold it.
    """
    if not text:
        raise InvalidFact("An id is empty.", remedy="Give 1 to 512 bytes.", field=field)
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        size = None
    if size is None or "\0" in text:
        raise InvalidFact(
            f"The id {text[:40]!r} has a character that no store can hold.",
            remedy="Leave out null characters and halves of surrogate pairs.",
            field=field,
        )
    if size > LONGEST_ID_BYTES:
        raise InvalidFact(
            f"The id {text[:40]!r}... has {size} bytes.",
            remedy=f"Give at most {LONGEST_ID_BYTES}, e.g. a hash of it.",
            field=field,
        )


def hash_id(kind: EntityKind, text: str) -> int:
    """Return the number of a text id: 0 to 2^63 - 1.

    63 bits of BLAKE2b (RFC 7693), keyed by the kind of entity.
    """
    digest = hashlib.blake2b(text.encode(), digest_size=8, key=_KEYS[kind]).digest()
    return int.from_bytes(digest, "big") >> 1


@dataclass(frozen=True, slots=True)
class ExternalIds:
    """Hold the texts behind numbers, by kind of entity.

    Args:
        texts: Text by number, by kind.
    """

    texts: Mapping[EntityKind, dict[int, str]] = field(
        default_factory=lambda: {kind: {} for kind in EntityKind}
    )

    def note(self, kind: EntityKind, text: str, *, field: str) -> int:
        """Return the number of a text, and keep the way back.

        Raises:
            InvalidFact: The text cannot be an id, or another one has the same number.
        """
        check_external_id(text, field=field)
        number = hash_id(kind, text)
        check_same(kind, number, self.texts[kind].setdefault(number, text), text)
        return number


def check_same(kind: EntityKind, number: int, one: str, other: str) -> None:
    """Refuse two texts with one number.

    Raises:
        InvalidFact: They are different.
    """
    if one != other:
        raise InvalidFact(
            f"The ids {one!r} and {other!r} of {kind.name.lower()}s have one hash, {number}.",
            remedy="Give one of the two another id, e.g. with a letter in front.",
            field="entity_id",
        )


class EntityNames:
    """Turn the names of entities into numbers while facts are read.

    Args:
        forms: How the entities of each kind are named, of those that have any facts.
    """

    def __init__(self, forms: Mapping[EntityKind, IdForm]) -> None:
        self._forms = dict(forms)
        self._numbers: dict[EntityKind, dict[str, int]] = {kind: {} for kind in EntityKind}
        self.external_ids = ExternalIds()

    @property
    def forms(self) -> Mapping[EntityKind, IdForm]:
        """How entities are named, of each kind of which it is known."""
        return self._forms

    def form(self, kind: EntityKind) -> IdForm | None:
        """Return how entities of a kind are named; None if nothing has said so yet."""
        return self._forms.get(kind)

    def settle(self, kind: EntityKind, form: IdForm) -> None:
        """Say how entities of a kind are named, if nothing has.

        Raises:
            InvalidFact: Something has, and otherwise.
        """
        if self._forms.setdefault(kind, form) is not form:
            entity = kind.name.lower()
            stored, given = "whole numbers", "texts"
            if form is IdForm.NUMBERS:
                stored, given = given, stored
            raise InvalidFact(
                f"{entity.capitalize()}s have {stored} in this store, and {given} here.",
                remedy="Give them as the store has them, or load everything into a new store.",
                field=entity,
            )

    def number(self, kind: EntityKind, text: str, *, field: str) -> int:
        """Return the number of a text, and keep the way back.

        Raises:
            InvalidFact: The text cannot be an id, or another one has the same number.
        """
        known = self._numbers[kind]
        number = known.get(text)
        if number is None:
            number = known[text] = self.external_ids.note(kind, text, field=field)
        return number

    def number_of(self, kind: EntityKind, number: int, text: str | None, *, field: str) -> int:
        """Return the number of an entity that is named by its number or by a text.

        Args:
            kind: What it is.
            number: Counts where there is no text.
            text: None where there is none.
            field: Where the text stands.

        Raises:
            InvalidFact: Both are given, the store has the other of the two, or the text
                cannot be an id.
        """
        if text is None:
            self.settle(kind, IdForm.NUMBERS)
            return number
        if number:
            raise InvalidFact(
                f"The {kind.name.lower()} has a number, {number}, and a text.",
                remedy="Give one of the two.",
                field=field,
            )
        self.settle(kind, IdForm.TEXTS)
        return self.number(kind, text, field=field)
