"""Moments as protobuf timestamps."""

from __future__ import annotations

from typing import overload

from google.protobuf.timestamp_pb2 import Timestamp


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
    seconds, rest_micros = divmod(micros, 1_000_000)
    return Timestamp(seconds=seconds, nanos=rest_micros * 1_000)
