"""Moments in time: aware UTC outside, int64 microseconds since 1970 inside.

On the wire between services a moment is RFC 3339 with exactly six fractional digits, so
that text order is time order and equal moments are equal text.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Final

from core.errors import InvalidInput

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

FIRST_MICROS: Final = -62_135_596_800_000_000
"""0001-01-01T00:00:00Z: no moment is earlier."""
LAST_MICROS: Final = 253_402_300_799_999_999
"""The last microsecond of the year 9999: no moment is later."""
EARLIEST_MICROS = -(2**63)
"""Stands for "nothing was found" wherever a newest moment is asked for."""

UTC_NAMES: Final = frozenset({"Z", "UTC", "GMT"})
OFFSET_PATTERN: Final = "[+-][0-9]{2}(?:(?::[0-9]{2}){0,2}|(?:[0-9]{2}){0,2})"
_ISO_8601: Final = re.compile(
    "(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}|[0-9]{4}-W[0-9]{2}-[0-9]|[0-9]{4}W[0-9]{3})"
    "(?:[Tt ](?P<hour>[0-9]{2})"
    "(?:(?P<colon>:?)(?P<minute>[0-9]{2})(?:(?P=colon)(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,30}))?)?)?"
    f"(?P<zone> ?(?:[Zz]|UTC|GMT|{OFFSET_PATTERN}))?)?"
)
_MICROSECOND_DIGITS: Final = 6
_LAST_MINUTE: Final = 59
_SHOWN_LENGTH: Final = 60
_ZONE_REMEDY: Final = "Give one, e.g. 2018-05-01T12:00:00Z."
_MOMENT_REMEDY: Final = "Write a date (2018-05-01) or a time with zone (2018-05-01T12:00:00Z)."


def to_micros(moment: datetime) -> int:
    """Return microseconds since 1970-01-01 UTC, exactly.

    Raises:
        InvalidInput: The moment has no time zone, or lies outside the years 1 to 9999 in UTC.
    """
    if moment.tzinfo is None:
        raise InvalidInput(
            f"{moment.isoformat()} has no time zone.",
            remedy=_ZONE_REMEDY,
        )
    try:
        return (moment.astimezone(UTC) - EPOCH) // _MICROSECOND
    except OverflowError:
        raise InvalidInput(
            f"{moment.isoformat()} lies outside the years 1 to 9999 in UTC.",
            remedy="Give a moment within them.",
        ) from None


def from_micros(micros: int) -> datetime:
    """Return the aware UTC datetime of microseconds since 1970-01-01 UTC."""
    return EPOCH + timedelta(microseconds=micros)


def check_moment(micros: int, *, field: str = "") -> int:
    """Return the microseconds since 1970-01-01 UTC if some calendar has them.

    Raises:
        InvalidInput: They lie outside the years 1 to 9999.
    """
    if not FIRST_MICROS <= micros <= LAST_MICROS:
        raise InvalidInput(
            f"{micros} microseconds since 1970 lie outside the years 1 to 9999.",
            remedy="Give a moment within them; is it in another unit?",
            field=field,
        )
    return micros


def format_moment(micros: int) -> str:
    """Return RFC 3339 text with six fractional digits, e.g. 2018-05-01T12:00:00.000000Z."""
    text = from_micros(micros).isoformat(timespec="microseconds")
    return text.removesuffix("+00:00") + "Z"


def parse_iso_8601(text: str) -> datetime | date:
    """Return the date or the time, with or without a zone, that ISO 8601 text names.

    Read are dates (2018-05-01, 20180501, 2018-W18-2) and, after a T or a space, times to the
    hour, minute, second or microsecond (12:00:00.5, 120000) with Z, UTC, GMT or an offset.
    Nothing is guessed: digits that run on from the date, a week without its day, and a
    fraction of a microsecond are refused.

    Raises:
        InvalidInput: The text is no such thing.
    """
    found = _ISO_8601.fullmatch(text)
    if found is None:
        raise InvalidInput("This is not a moment.", remedy=_MOMENT_REMEDY)
    try:
        # Python's reading of a date alone is strict.
        day = date.fromisoformat(found["date"])
        if found["hour"] is None:
            return day
        moment = datetime(  # noqa: DTZ001 - its zone, if any, is placed below
            day.year,
            day.month,
            day.day,
            int(found["hour"]),
            int(found["minute"] or 0),
            int(found["second"] or 0),
            parse_fraction(found["fraction"] or ""),
        )
        if found["zone"] is None:
            return moment
        return moment.replace(tzinfo=parse_offset(found["zone"].strip()))
    except ValueError:
        raise InvalidInput("This is not a moment.", remedy=_MOMENT_REMEDY) from None


def parse_fraction(digits: str) -> int:
    """Return the microseconds that the digits after a second's point say.

    Raises:
        InvalidInput: They say a part of a microsecond.
    """
    if digits[_MICROSECOND_DIGITS:].strip("0"):
        raise InvalidInput(
            "This has a part of a microsecond.", remedy="Round it to microseconds."
        )
    return int(digits[:_MICROSECOND_DIGITS].ljust(_MICROSECOND_DIGITS, "0"))


def parse_offset(text: str) -> timezone:
    """Return the zone of Z, UTC, GMT, or an offset such as +02, +0200, +02:00.

    Raises:
        ValueError: There is no such offset: it has a day or more, or an hour of 60 minutes.
    """
    if text.upper() in UTC_NAMES:
        return UTC
    digits = text[1:].replace(":", "").ljust(6, "0")
    hours, minutes, seconds = (int(digits[place : place + 2]) for place in (0, 2, 4))
    if minutes > _LAST_MINUTE or seconds > _LAST_MINUTE:
        raise ValueError(text)
    offset = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return timezone(-offset if text.startswith("-") else offset)


def parse_moment(text: str, *, field: str = "") -> int:
    """Return microseconds since 1970-01-01 UTC of a date or an ISO 8601 time with zone.

    A bare date means its midnight in UTC.

    Raises:
        InvalidInput: The text is no such thing, has a time but no zone, or lies outside the
            years 1 to 9999 in UTC.
    """
    try:
        moment = parse_iso_8601(text)
        if not isinstance(moment, datetime):
            moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
        if moment.tzinfo is not None:
            return to_micros(moment)
    except InvalidInput as error:
        shown = f"{text[:_SHOWN_LENGTH]!r}{'...' * (len(text) > _SHOWN_LENGTH)}"
        raise InvalidInput(
            f"{shown} is not a moment.", remedy=error.remedy, field=field
        ) from None
    raise InvalidInput(
        f"{moment.isoformat()} has no time zone.", remedy=_ZONE_REMEDY, field=field
    )
