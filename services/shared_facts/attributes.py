"""Attributes from JSON, as pages use them.

Ingest refuses values that mean nothing here; a store may hold older ones. What protects
people is then read on the safe side: such a title is not shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeGuard

from services.page.inputs import GENRES, MATURITY, MATURITY_LIMIT, TITLE, WITHDRAWN, YEAR
from timetravel.errors import InvalidFact
from timetravel.facts.meanings import convert_attribute
from timetravel.facts.model import EntityKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from timetravel.facts.model import JsonValue

FOR_NOBODY: Final = 2**31 - 1
"""The age of a title whose own cannot be read: above every limit."""
FOR_ALL_AGES_ONLY: Final = 0
"""The limit of a profile whose own cannot be read."""


def read_title(value: JsonValue) -> str:
    """Return a title; "" where it is not known."""
    if isinstance(value, str):
        return value
    title: str = _read(EntityKind.VIDEO, TITLE, value, unknown="", unreadable="")
    return title


def read_genres(value: JsonValue) -> tuple[str, ...]:
    """Return the genres of a video; none where they are not known."""
    return read_texts(EntityKind.VIDEO, GENRES, value) or ()


def read_texts(kind: EntityKind, name: str, value: JsonValue) -> tuple[str, ...] | None:
    """Return texts, none where they are not known; None where they cannot be read."""
    if value is None:
        return ()
    if isinstance(value, list | tuple) and all(isinstance(text, str) for text in value):
        return tuple(str(text) for text in value)
    texts: Sequence[str] | None = _read(kind, name, value, unknown=(), unreadable=None)
    return None if texts is None else tuple(texts)


def read_video_ids(kind: EntityKind, name: str, value: JsonValue) -> tuple[int, ...] | None:
    """Return video ids, none where they are not known; None where they cannot be read."""
    if value is None:
        return ()
    numbers: Sequence[int] | None = _read(kind, name, value, unknown=(), unreadable=None)
    return None if numbers is None else tuple(numbers)


def read_year(value: JsonValue) -> int | None:
    """Return a year; None where it is not known."""
    year: int | None = _read(EntityKind.VIDEO, YEAR, value, unknown=None, unreadable=None)
    return year


def read_maturity(value: JsonValue) -> int | None:
    """Return the age that a video is meant for; None where it is not known."""
    if type(value) is int and value >= 0:
        return value
    age: int | None = _read(
        EntityKind.VIDEO, MATURITY, value, unknown=None, unreadable=FOR_NOBODY
    )
    return age


def read_withdrawn(value: JsonValue) -> bool:
    """Return whether a video was withdrawn; what cannot be read was."""
    if isinstance(value, bool):
        return value
    is_withdrawn: bool = _read(
        EntityKind.VIDEO, WITHDRAWN, value, unknown=False, unreadable=True
    )
    return is_withdrawn


def read_maturity_limit(value: JsonValue) -> int | None:
    """Return the age that a profile is limited to; None where it is not known."""
    limit: int | None = _read(
        EntityKind.PROFILE, MATURITY_LIMIT, value, unknown=None, unreadable=FOR_ALL_AGES_ONLY
    )
    return limit


def read_maturity_limits(values: Sequence[JsonValue]) -> list[int | None]:
    """Return the age that each profile is limited to; None where it is not known."""
    # A few whole numbers, and now and then what is none.
    known = {value: read_maturity_limit(value) for value in {*filter(_is_whole, values)}}
    return [
        known[value] if _is_whole(value) else read_maturity_limit(value) for value in values
    ]


def _is_whole(value: JsonValue) -> TypeGuard[int]:
    return type(value) is int


def _read(
    kind: EntityKind, name: str, value: JsonValue, *, unknown: object, unreadable: object
) -> Any:  # noqa: ANN401 - as its callers know
    if value is None:
        return unknown
    try:
        return convert_attribute(kind, name, value)
    except InvalidFact:
        return unreadable
