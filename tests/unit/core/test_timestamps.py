"""Timestamps and durations from outside: what is out of range is refused by its field."""

from __future__ import annotations

from datetime import timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.moments import FIRST_MICROS, LAST_MICROS, from_micros
from core.timestamps import decode_duration, decode_timestamp, encode_timestamp

SECONDS = st.integers(-(2**63), 2**63 - 1) | st.integers(-62_135_596_802, 253_402_300_802)
NANOS = st.integers(-(2**31), 2**31 - 1) | st.sampled_from((0, 1_000, 999, 999_999_000, 10**9))


@given(st.integers(FIRST_MICROS, LAST_MICROS))
def test_a_moment_of_the_calendar_comes_back(micros: int) -> None:
    assert decode_timestamp(encode_timestamp(micros), field="as_of") == micros


@given(SECONDS, NANOS)
def test_a_timestamp_is_taken_when_protobuf_and_the_calendar_have_it(
    seconds: int, nanos: int
) -> None:
    message = Timestamp(seconds=seconds, nanos=nanos)
    has_it = -62_135_596_800 <= seconds <= 253_402_300_799 and 0 <= nanos < 10**9
    if has_it and nanos % 1000 == 0:
        expected = from_micros(0) + timedelta(seconds=seconds, microseconds=nanos // 1000)
        assert from_micros(decode_timestamp(message, field="as_of")) == expected
    else:
        with pytest.raises(InvalidInput) as refused:
            decode_timestamp(message, field="as_of")
        assert refused.value.field == "as_of"


@given(SECONDS, NANOS)
def test_a_duration_is_taken_when_it_is_a_length_of_time(seconds: int, nanos: int) -> None:
    message = Duration(seconds=seconds, nanos=nanos)
    if (0 <= seconds < 100 and 0 <= nanos < 10**9) or (seconds, nanos) == (100, 0):
        told = decode_duration(message, field="grace", most_seconds=100)
        assert told == pytest.approx(seconds + nanos / 10**9)
    else:
        with pytest.raises(InvalidInput) as refused:
            decode_duration(message, field="grace", most_seconds=100)
        assert refused.value.field == "grace"
