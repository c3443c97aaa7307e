"""Moments in time: aware UTC outside, int64 microseconds since 1970 inside.

On the wire between services a moment is RFC 3339 with exactly six fractional digits, so
that text order is time order and equal moments are equal text.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from core.errors import InvalidInput

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

EARLIEST_MICROS = -(2**63)
"""Stands for "nothing was found" wherever a newest moment is asked for."""


def to_micros(moment: datetime) -> int:
    """Return microseconds since 1970-01-01 UTC, exactly.

    Raises:
        InvalidInput: The moment has no time zone.
    """
    if moment.tzinfo is None:
        raise InvalidInput(
            f"{moment.isoformat()} has no time zone.",
            remedy="Give one, e.g. 2018-05-01T12:00:00Z.",
        )
    return (moment - EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Return the aware UTC datetime of microseconds since 1970-01-01 UTC."""
    return EPOCH + timedelta(microseconds=micros)


def format_moment(micros: int) -> str:
    """Return RFC 3339 text with six fractional digits, e.g. 2018-05-01T12:00:00.000000Z."""
    text = from_micros(micros).isoformat(timespec="microseconds")
    return text.removesuffix("+00:00") + "Z"


def parse_moment(text: str, *, field: str = "") -> int:
    """Return microseconds since 1970-01-01 UTC of a date or an ISO 8601 time with zone.

    A bare date means its midnight in UTC.

    Raises:
        InvalidInput: The text is no such thing, or has a time but no zone.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(
            f"{text!r} is not a moment.",
            remedy="Write a date (2018-05-01) or a time with zone (2018-05-01T12:00:00Z).",
            field=field,
        ) from None
    if len(text) == len("2018-05-01"):
        moment = moment.replace(tzinfo=UTC)
    try:
        return to_micros(moment)
    except InvalidInput as error:
        raise InvalidInput(error.problem, remedy=error.remedy, field=field) from None
