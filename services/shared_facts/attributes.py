"""Attributes of videos, from JSON to arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from timetravel.facts.model import JsonValue


def read_title(value: JsonValue) -> str:
    """Return a title; "" where it is not known."""
    return value if isinstance(value, str) else ""


def read_texts(value: JsonValue) -> tuple[str, ...]:
    """Return texts, e.g. genres; none where they are not known."""
    if not isinstance(value, (list, tuple)):
        return ()
    return tuple(text for text in value if isinstance(text, str))


def read_whole_numbers(value: JsonValue) -> tuple[int, ...]:
    """Return whole numbers, e.g. video ids; none where they are not known."""
    if not isinstance(value, (list, tuple)):
        return ()
    return tuple(
        number for number in value if isinstance(number, int) and not isinstance(number, bool)
    )


def read_year(value: JsonValue) -> int | None:
    """Return a year; None where it is not known."""
    return value if isinstance(value, int) else None
