"""The fields of an entity as people name them, and their values in each version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from experiments.errors import FieldNotFound
from timetravel.facts.model import FactKind, Op, canonical_json
from timetravel.reading.allocations import allocation_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from timetravel.facts.model import JsonValue
    from timetravel.ledger.questions import HistoricalVersion
    from timetravel.ledger.versions import FactVersion

ABSENT: Final = "\N{EMPTY SET}"
"""What a version says that says "there is none"."""
RETRACTED: Final = "retracted"
MISSING: Final = "missing"

_WHOLE_KINDS: Final = {
    FactKind.EVENT: "events",
    FactKind.AVAILABILITY: "licences",
    FactKind.LOGGED_PAGE: "pages",
    FactKind.DOCUMENT: "document",
}
"""Kinds of which all facts together are one field."""
_MOST_NAMES: Final = 12


@dataclass(frozen=True, slots=True)
class Field:
    """Name a field: facts of a kind, of one name unless it is empty, and a part of these.

    part is a field of a feature group; empty means all of what a fact says.
    """

    kind: FactKind
    name: str = ""
    part: str = ""

    @property
    def label(self) -> str:
        """The field as people name it."""
        if self.kind in _WHOLE_KINDS:
            return _WHOLE_KINDS[self.kind]
        if self.kind is FactKind.ALLOCATION:
            return allocation_name(self.name)
        return f"{self.name}.{self.part}" if self.part else self.name

    @property
    def title(self) -> str:
        """The field as a heading."""
        kind = "" if self.kind in _WHOLE_KINDS else f"{self.kind.name.lower()} "
        return f"{kind}{self.label}".replace("allocation allocation/", "allocation ")

    def holds(self, version: FactVersion) -> bool:
        """Return whether a version is of the field."""
        return version.kind is self.kind and self.name in {"", version.name}

    def say(self, version: FactVersion) -> str:
        """Return what a version says of the field, in a few words."""
        if version.op is not Op.ASSERT:
            return ABSENT if version.op is Op.ABSENT else RETRACTED
        return _TELL.get(self.kind, _json)(self._part_of(version.value))

    def _part_of(self, value: JsonValue) -> JsonValue:
        return value.get(self.part, MISSING) if self.part and isinstance(value, dict) else value


def fields_of(history: Sequence[HistoricalVersion]) -> list[Field]:
    """Return the fields that an entity has, in the order of its history."""
    found = {
        Field(kind)
        if (kind := version.version.kind) in _WHOLE_KINDS
        else Field(kind, version.version.name)
        for version in history
    }
    return sorted(found, key=lambda field: (field.kind, field.name))


def choose_field(history: Sequence[HistoricalVersion], text: str) -> Field:
    """Return the field that a text names, e.g. country, taste.drama, allocation/x or events.

    Raises:
        FieldNotFound: The entity has no such field.
    """
    fields = fields_of(history)
    by_label = {field.label: field for field in fields}
    if text in by_label:
        return by_label[text]
    group, _, part = text.rpartition(".")
    whole = by_label.get(group)
    if whole is not None and whole.kind is FactKind.FEATURES:
        parts = _parts_of(history, whole)
        if part in parts:
            return Field(whole.kind, whole.name, part)
        by_label = {f"{group}.{name}": whole for name in parts}
    names = list(by_label)
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    raise FieldNotFound(
        f"There is no field {text!r}.",
        remedy=f"Name one of: {', '.join(names[:_MOST_NAMES])}{more}.",
        field="--field",
    )


def _parts_of(history: Sequence[HistoricalVersion], field: Field) -> list[str]:
    values = (
        historical.version.value for historical in history if field.holds(historical.version)
    )
    return sorted({name for value in values if isinstance(value, dict) for name in value})


def _json(value: JsonValue) -> str:
    return value if isinstance(value, str) else canonical_json(value)


def _number(value: JsonValue) -> str:
    return f"{value:.6g}" if isinstance(value, float) else _json(value)


def _features(value: JsonValue) -> str:
    if not isinstance(value, dict):
        return _number(value)
    return ", ".join(f"{name} {_number(own)}" for name, own in value.items())


def _cell(value: JsonValue) -> str:
    return "in no cell" if value is None else f"cell {value}"


def _event(value: JsonValue) -> str:
    assert isinstance(value, dict)  # noqa: S101 - an event is an object
    amount = "" if value["value"] is None else f" {_number(value['value'])}"
    return f"{value['kind']} {value['video_id']}{amount}"


def _licence(value: JsonValue) -> str:
    assert isinstance(value, dict)  # noqa: S101 - likewise
    return str(value["country"])


def _page(value: JsonValue) -> str:
    assert isinstance(value, dict)  # noqa: S101 - likewise
    return f"{value['device']} {str(value['page_digest'])[:8]}"


def _document(value: JsonValue) -> str:
    return _json(value.get("body")) if isinstance(value, dict) else _json(value)


_TELL: Final[dict[FactKind, Callable[[JsonValue], str]]] = {
    FactKind.FEATURES: _features,
    FactKind.ALLOCATION: _cell,
    FactKind.EVENT: _event,
    FactKind.AVAILABILITY: _licence,
    FactKind.LOGGED_PAGE: _page,
    FactKind.DOCUMENT: _document,
}
