"""What the attributes and events that page services read may say.

A value of another type, or outside its range, would be passed over where a page is made: a
withdrawn title would be shown. So what is clearly meant is converted when it enters, and
what is not is refused.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from core.errors import InvalidInput
from core.moments import format_moment, parse_moment
from timetravel.errors import InvalidFact
from timetravel.facts.external_ids import IdForm
from timetravel.facts.model import LARGEST_ID, EntityKind, EventKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from timetravel.facts.external_ids import EntityNames
    from timetravel.facts.model import JsonValue

_OLDEST: Final = 150
_FIRST_YEAR: Final = 1800
_LAST_YEAR: Final = 2200
_FIRST_ADDED: Final = parse_moment("1971-01-01")
_LAST_ADDED: Final = parse_moment("2200-01-01")
_FIRST_INEXACT: Final = 2**53
_SEPARATORS: Final = frozenset(",;|")
_LONGEST_DIGITS: Final = 30


def convert_attribute(
    kind: EntityKind, name: str, value: JsonValue, names: EntityNames | None = None
) -> JsonValue:
    """Return an attribute's value as page services read it; others as they are.

    Args:
        kind: What the attribute is of.
        name: Its name.
        value: Its value as it was given.
        names: How videos are named; None if by whole numbers.

    Raises:
        InvalidFact: Page services read the attribute, and the value is not one of its own.
    """
    convert = MEANINGS.get((kind, name))
    if convert is None:
        return value
    if convert is _to_video_ids and names and names.form(EntityKind.VIDEO) is IdForm.TEXTS:
        return _to_numbers_of_texts(value, names)
    return convert(value)


def holds_videos(kind: EntityKind | None, name: str) -> bool:
    """Return whether an attribute is a list of videos."""
    return kind is not None and MEANINGS.get((kind, name)) is _to_video_ids


def listed_videos(value: JsonValue) -> list[int]:
    """Return the videos in a list; what cannot be a video's number is passed over."""
    listed = value if isinstance(value, list) else ()
    return [one for one in listed if type(one) is int and 0 <= one <= LARGEST_ID]


def check_event_value(kind: EventKind, value: float | None) -> None:
    """Refuse a value that an event of its kind cannot have.

    Raises:
        InvalidFact: It lies outside the kind's range, or there is one where there is none, or
            none where the event means nothing without it.
    """
    is_right, problem, remedy = _EVENT_VALUES[kind]
    if not is_right(value):
        raise InvalidFact(problem, remedy=remedy)


_EVENT_VALUES: Final[Mapping[EventKind, tuple[Callable[[float | None], bool], str, str]]] = {
    EventKind.PLAY: (
        lambda value: value is None or 0 <= value <= 1,
        "The value of a play is the share watched, 0 to 1.",
        "Give the share; a mapping converts percent with scale: 0.01.",
    ),
    EventKind.RATING: (
        lambda value: value is not None and 0.5 <= value <= 5,  # noqa: PLR2004 - stars
        "The value of a rating is 0.5 to 5 stars.",
        "Give stars; a mapping converts ten of them with scale: 0.5.",
    ),
    EventKind.THUMB: (
        lambda value: value in {1, -1},
        "The value of a thumb is 1 or -1.",
        "Give 1 for up, -1 for down.",
    ),
    EventKind.LIST: (
        lambda value: value in {1, 0},
        "The value of a list event is 1 or 0.",
        "Give 1 for put on, 0 for taken off.",
    ),
    EventKind.IMPRESSION: (
        lambda value: value is None,
        "An impression has no value.",
        "Leave it out.",
    ),
}


def check_country(text: str) -> str:
    """Return the country of a licence, if a profile can be there.

    Raises:
        InvalidFact: It is no text, or has spaces around it.
    """
    return _to_country(text)


def _to_text(value: JsonValue) -> str:
    if isinstance(value, str) and value.strip():
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)  # the film 1917
    raise _unlike("text", '"1917"')


def _to_country(value: JsonValue) -> str:
    if isinstance(value, str) and value.strip() == value and value:
        return value
    raise _unlike("a country's code, without spaces around it", '"NZ"')


def _to_boolean(value: JsonValue) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float) and value in {0, 1}:
        return value == 1
    word = value.strip().lower() if isinstance(value, str) else ""
    if word in {"true", "false", "1", "0"}:
        return word in {"true", "1"}
    raise _unlike("true or false", "true")


def _to_whole(value: JsonValue) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < _FIRST_INEXACT:
        return int(value)
    if isinstance(value, str) and len(value) <= _LONGEST_DIGITS:
        digits = value.strip().removesuffix(".0")
        if digits.isascii() and digits.isdigit():
            return int(digits)
    return None


def _to_age(value: JsonValue) -> int:
    age = _to_whole(value)
    if age is None or not 0 <= age <= _OLDEST:
        raise _unlike("an age in years", "16")
    return age


def _to_year(value: JsonValue) -> int:
    year = _to_whole(value)
    if year is None or not _FIRST_YEAR <= year <= _LAST_YEAR:
        raise _unlike(f"a year between {_FIRST_YEAR} and {_LAST_YEAR}", "1999")
    return year


def _to_added_at(value: JsonValue) -> int:
    micros = _to_whole(value)
    if micros is None and isinstance(value, str):
        try:
            micros = parse_moment(value)
        except InvalidInput:
            micros = None
    if micros is None or not _FIRST_ADDED <= micros < _LAST_ADDED:
        raise _unlike(
            f"microseconds since 1970, between {format_moment(_FIRST_ADDED)} and "
            f"{format_moment(_LAST_ADDED)}",
            f"{parse_moment('2024-03-04')}",
        )
    return micros


def _to_list(value: JsonValue, wanted: str, example: str) -> list[JsonValue]:
    """Return the elements of a list, or of JSON text of one, or the only one there is."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise _unlike(wanted, example) from None
    if isinstance(value, str) and _SEPARATORS & set(value):
        raise _unlike(f"{wanted}: which of its characters separate them is not known", example)
    if isinstance(value, list | tuple):
        return list(value)
    return [value]


def _to_texts(value: JsonValue) -> list[str]:
    wanted, example = "a list of texts", '["Drama", "Comedy"]'
    found: list[str] = []
    for text in _to_list(value, wanted, example):
        if not isinstance(text, str) or not text or text != text.strip():
            raise _unlike(f"{wanted}, without spaces around them", example)
        found.append(text)
    return found


def _to_video_ids(value: JsonValue) -> list[int]:
    wanted, example = "a list of video ids", "[603, 604]"
    found: list[int] = []
    for element in _to_list(value, wanted, example):
        number = _to_whole(element)
        if number is None or not 0 <= number <= LARGEST_ID:
            raise _unlike(wanted, example) from None
        found.append(number)
    return found


def _to_numbers_of_texts(value: JsonValue, names: EntityNames) -> list[int]:
    """Return the numbers of videos that are named by texts."""
    wanted, example = "a list of video ids", '["tt0133093", "tt0234215"]'
    found: list[int] = []
    for element in _to_list(value, wanted, example):
        if isinstance(element, bool) or not isinstance(element, str | int):
            raise _unlike(wanted, example)
        found.append(names.number(EntityKind.VIDEO, str(element), field="value"))
    return found


MEANINGS: Final[Mapping[tuple[EntityKind, str], Callable[[JsonValue], JsonValue]]] = {
    (EntityKind.PROFILE, "country"): _to_country,
    (EntityKind.PROFILE, "maturity_limit"): _to_age,
    (EntityKind.PROFILE, "blocked_genres"): _to_texts,
    (EntityKind.PROFILE, "blocked_videos"): _to_video_ids,
    (EntityKind.VIDEO, "title"): _to_text,
    (EntityKind.VIDEO, "year"): _to_year,
    (EntityKind.VIDEO, "genres"): _to_texts,
    (EntityKind.VIDEO, "maturity"): _to_age,
    (EntityKind.VIDEO, "added_at"): _to_added_at,
    (EntityKind.VIDEO, "requires"): _to_texts,
    (EntityKind.VIDEO, "withdrawn"): _to_boolean,
}
"""By kind of entity and name: how page services read it; raises InvalidFact."""


def _unlike(wanted: str, example: str) -> InvalidFact:
    return InvalidFact(f"This is not {wanted}.", remedy=f"Give e.g. {example}.", field="value")
