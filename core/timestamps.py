"""Moments as protobuf timestamps."""

from __future__ import annotations

from typing import overload

from google.protobuf.timestamp_pb2 import Timestamp


@overload
def encode_timestamp(micros: int) -> Timestamp: ...
@overload
def encode_timestamp(micros: int | None) -> Timestamp | None: ...
def encode_timestamp(micros: int | None) -> Timestamp | None:
    """Return microseconds since 1970-01-01 UTC as a timestamp; None stays None."""
    if micros is None:
        return None
    timestamp = Timestamp()
    timestamp.FromMicroseconds(micros)
    return timestamp
