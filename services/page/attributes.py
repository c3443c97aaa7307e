"""Attributes of videos, from JSON to what the services work with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from timetravel.model import JsonValue


def read_title(value: JsonValue) -> str:
    """Return a title; "" where it is not known."""
    return value if isinstance(value, str) else ""


def read_genres(value: JsonValue) -> tuple[str, ...]:
    """Return genres; none where they are not known."""
    if not isinstance(value, (list, tuple)):
        return ()
    return tuple(genre for genre in value if isinstance(genre, str))


def read_year(value: JsonValue) -> int | None:
    """Return a year; None where it is not known."""
    return value if isinstance(value, int) else None
