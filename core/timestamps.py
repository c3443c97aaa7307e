"""Moments and lengths of time as protobuf messages.

A message from outside is checked here, once for all services: what is out of its range is
refused with the name of its field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, overload

from google.protobuf.timestamp_pb2 import Timestamp

from core.errors import InvalidInput
from core.moments import check_moment

if TYPE_CHECKING:
    from google.protobuf.duration_pb2 import Duration

_MICROS_PER_SECOND: Final = 1_000_000
_NANOS_PER_MICRO: Final = 1_000
_NANOS_PER_SECOND: Final = 1_000_000_000
_LONGEST_SECONDS: Final = 315_576_000_000.0  # of google.protobuf.Duration


@overload
def encode_timestamp(micros: int) -> Timestamp: ...
@overload
def encode_timestamp(micros: int | None) -> Timestamp | None: ...
def encode_timestamp(micros: int | None) -> Timestamp | None:
    """Return microseconds since 1970-01-01 UTC as a timestamp; None stays None.

    The range is not checked: whoever is asked refuses a moment that it does not take.
    """
    if micros is None:
        return None
    seconds, rest_micros = divmod(micros, _MICROS_PER_SECOND)
    return Timestamp(seconds=seconds, nanos=rest_micros * _NANOS_PER_MICRO)


def decode_timestamp(message: Timestamp, *, field: str) -> int:
    """Return a timestamp in microseconds since 1970-01-01 UTC.

    Args:
        message: What came over the wire.
        field: Name of the request's field, for the error.

    Raises:
        InvalidInput: It lies outside the years 1 to 9999, its nanos outside a second, or it
            has a part of a microsecond.
    """
    if not 0 <= message.nanos < _NANOS_PER_SECOND:
        raise InvalidInput(
            f"{message.nanos} nanos do not lie within a second.",
            remedy="Give 0 to 999999999; they count forwards, before 1970 too.",
            field=field,
        )
    micros, rest = divmod(message.nanos, _NANOS_PER_MICRO)
    if rest:
        raise InvalidInput(
            f"{message.nanos} nanos are not whole microseconds.",
            remedy="Round the moment to microseconds.",
            field=field,
        )
    return check_moment(message.seconds * _MICROS_PER_SECOND + micros, field=field)


def decode_duration(
    message: Duration, *, field: str, most_seconds: float = _LONGEST_SECONDS
) -> float:
    """Return a length of time in seconds.

    Args:
        message: What came over the wire.
        field: Name of the request's field, for the error.
        most_seconds: The longest that is taken.

    Raises:
        InvalidInput: It is negative, longer than that, or its nanos lie outside a second.
    """
    seconds = message.seconds + message.nanos / _NANOS_PER_SECOND
    if not (0 <= message.nanos < _NANOS_PER_SECOND and 0 <= seconds <= most_seconds):
        raise InvalidInput(
            f"{message.seconds} seconds and {message.nanos} nanos are too short or long.",
            remedy=f"Give 0 to {most_seconds:g} seconds, with nanos of 0 to 999999999.",
            field=field,
        )
    return seconds
