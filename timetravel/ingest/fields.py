"""Reads the fields of one record, and collects those that break a rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from core.errors import InvalidInput
from core.timestamps import decode_timestamp
from timetravel.facts.model import EntityKind, EventKind, Op, canonical_json
from timetravel.ingest.json_text import parse_json_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.timestamp_pb2 import Timestamp

    from timetravel.facts.external_ids import EntityNames
    from timetravel.facts.model import JsonValue
    from timetravel.ingest.mistakes import Mistakes
    from timetravel.ingest.rules import Rules

T = TypeVar("T")
V = TypeVar("V")

_OPS: Final = {1: Op.ASSERT, 2: Op.ABSENT, 3: Op.RETRACT}
"""By number of pagesim.timetravel.v1.Op."""
_ENTITY_KINDS: Final = {kind.value: kind for kind in EntityKind}
_EVENT_KINDS: Final = {kind.value: kind for kind in EventKind}


class Fields:
    """Takes the values of one record; a value that breaks a rule becomes a mistake.

    What is taken in its stead is of no use, but of the right type: a record with a mistake
    is never built.

    Args:
        index: The record's place in its chunk.
        rules: What values must meet.
        mistakes: Where they are noted.
        names: How the store names entities.
    """

    def __init__(
        self, index: int, rules: Rules, mistakes: Mistakes, names: EntityNames
    ) -> None:
        self.rules = rules
        self.names = names
        self._index = index
        self._mistakes = mistakes
        self._before = mistakes.total

    def are_right(self) -> bool:
        """Whether no mistake was found in this record."""
        return self._mistakes.total == self._before

    def wrong(self, field: str, value: object, rule: str, remedy: str) -> None:
        """Note a mistake."""
        self._mistakes.add(self._index, field, value, rule, remedy)

    def take(self, field: str, check: Callable[[V], T], value: V, instead: T) -> T:
        """Return what the check returns; note what it raises, and return something else."""
        try:
            return check(value)
        except InvalidInput as error:
            self.wrong(field, value, error.problem, error.remedy)
            return instead

    def name(self, field: str, text: str) -> str:
        """Take a name, an id or another short text."""
        return self.take(field, self.rules.name, text, "")

    def entity(self, field: str, kind: EntityKind | None, number: int, text: str | None) -> int:
        """Take the number of a profile or a video, which may be named by a text instead.

        Args:
            field: Where the number stands: in `..._id`, the text in `..._external_id`.
            kind: What it is; None if that is not known.
            number: Counts where there is no text.
            text: None where there is none.
        """
        if text is not None:
            field = f"{field.removesuffix('_id')}_external_id"
        try:
            self.rules.identity(number)
            if kind is not None:
                return self.names.number_of(kind, number, text, field=field)
        except InvalidInput as error:
            given = number if text is None else text
            self.wrong(field, given, error.problem, error.remedy)
        return 0

    def moment(
        self, field: str, timestamp: Timestamp, check: Callable[[int], int], *, given: bool
    ) -> int:
        """Take a moment, in microseconds."""
        if not given:
            self.wrong(field, None, "Nothing is given.", "Give a moment.")
            return 0
        try:
            micros = decode_timestamp(timestamp, field=field)
        except InvalidInput as error:
            told = f"{timestamp.seconds} s, {timestamp.nanos} ns"
            self.wrong(field, told, error.problem, error.remedy)
            return 0
        return self.take(field, check, micros, 0)

    def op(self, number: int) -> Op:
        """Take what the fact does."""
        return self._one_of("op", _OPS, number, Op.ASSERT, "OP_ASSERT, OP_ABSENT or OP_RETRACT")

    def entity_kind(self, field: str, number: int) -> EntityKind:
        """Take what an entity is."""
        names = "ENTITY_KIND_PROFILE or ENTITY_KIND_VIDEO"
        return self._one_of(field, _ENTITY_KINDS, number, EntityKind.PROFILE, names)

    def event_kind(self, field: str, number: int) -> EventKind:
        """Take what a member did."""
        names = ", ".join(f"EVENT_KIND_{kind.name}" for kind in EventKind)
        return self._one_of(field, _EVENT_KINDS, number, EventKind.PLAY, names)

    def json(self, field: str, text: str) -> JsonValue:
        """Take JSON text, as its value."""

        def parse(text: str) -> JsonValue:
            value = parse_json_text(text, self.rules.limits)
            canonical_json(value)  # refuses half of a surrogate pair
            return value

        return self.take(field, parse, text, None)

    def json_object(self, field: str, text: str) -> dict[str, JsonValue]:
        """Take the JSON text of an object."""
        if not text:
            self.wrong(field, None, "Nothing is given.", "Give a JSON object.")
            return {}
        value = self.json(field, text)
        if isinstance(value, dict):
            return value
        if self.are_right():
            self.wrong(field, text, "This JSON is not an object.", 'Give e.g. {"rows": 5}.')
        return {}

    def nothing_but_assert(self, field: str, op: Op, *, given: bool) -> None:
        """Refuse a value of a fact that asserts none, and an assertion without one."""
        if op is Op.ASSERT and not given:
            self.wrong(field, None, "An asserted fact has a value.", "Give one, or OP_ABSENT.")
        elif op is not Op.ASSERT and given:
            self.wrong(
                field,
                None,
                f"A fact that says {op.name} has no value.",
                "Leave it out, or give OP_ASSERT.",
            )

    def _one_of(
        self, field: str, choices: dict[int, T], number: int, instead: T, names: str
    ) -> T:
        found = choices.get(number)
        if found is None:
            self.wrong(field, number, "There is no such number.", f"Give {names}.")
            return instead
        return found
