"""Number columns survive the wire, and broken ones are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pagesim.columns.v1.columns_pb2 import FloatColumn, IntegerColumn

from core.columns import decode_floats, decode_integers, encode_floats, encode_integers
from core.errors import InvalidColumn


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_integers_come_back_as_they_went(integers: list[int]) -> None:
    decoded = decode_integers(encode_integers(integers), field="ids", length=len(integers))
    assert decoded.dtype == np.int64
    assert decoded.tolist() == integers


@given(st.lists(st.floats(width=32)))
def test_floats_come_back_as_they_went(floats: list[float]) -> None:
    decoded = decode_floats(encode_floats(floats), field="values", length=len(floats))
    assert decoded.dtype == np.float32
    assert np.array_equal(decoded, np.array(floats, dtype=np.float32), equal_nan=True)


@pytest.mark.parametrize(
    ("largest", "width_bytes"),
    [(255, 1), (256, 2), (65_535, 2), (65_536, 4), (2**32 - 1, 4), (2**32, 8), (-1, 8)],
)
def test_a_column_is_as_narrow_as_it_can_be(largest: int, width_bytes: int) -> None:
    column = encode_integers([0, largest])
    assert column.width_bytes == width_bytes
    assert len(column.values) == 2 * width_bytes


def test_bytes_are_little_endian_whatever_the_machine() -> None:
    assert encode_integers([0x0102]).values == b"\x02\x01"
    assert encode_floats([1.0]).values == b"\x00\x00\x80\x3f"


def test_a_matrix_is_flattened_row_by_row() -> None:
    matrix = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert decode_floats(encode_floats(matrix.T), field="values").tolist() == [0, 3, 1, 4, 2, 5]


def test_decoded_columns_can_be_written_to() -> None:
    decode_integers(encode_integers([1]), field="ids")[0] = 2
    decode_floats(encode_floats([1.0]), field="values")[0] = 2.0


def test_a_column_that_was_never_set_is_empty() -> None:
    assert decode_integers(IntegerColumn(), field="ids", length=0).tolist() == []


@pytest.mark.parametrize(
    "column",
    [
        IntegerColumn(width_bytes=3, values=b"abc"),
        IntegerColumn(width_bytes=0, values=b"a"),
        IntegerColumn(width_bytes=4, values=b"abc"),
        IntegerColumn(width_bytes=1, values=b"abc"),
    ],
)
def test_broken_integers_are_refused_by_name(column: IntegerColumn) -> None:
    with pytest.raises(InvalidColumn) as refused:
        decode_integers(column, field="entity_ids", length=2)
    assert refused.value.field == "entity_ids"


@pytest.mark.parametrize("values", [b"abc", b"abcdefgh"])
def test_broken_floats_are_refused_by_name(values: bytes) -> None:
    with pytest.raises(InvalidColumn) as refused:
        decode_floats(FloatColumn(values=values), field="values", length=1)
    assert refused.value.field == "values"
