"""Encodes the canonical bytes of many pages from their columns.

The same bytes as `services.page.canonical`, a hundred times faster: the protobuf wire format
(https://protobuf.dev/programming-guides/encoding/) of `pagesim.page.v1.Page`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
from pagesim.page.v1 import page_pb2

from core.kernel import kernel
from core.timestamps import encode_timestamp
from services.page.canonical import geometry_message
from services.page.ranges import starts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.arrays import Float32Array, Int64Array, UInt8Array
    from services.page.model import Geometry, PageRequests, RowLabel

UInt32Array = npt.NDArray[np.uint32]

_ROWS_TAG = 4 << 3 | 2
_VIDEOS_TAG = 4 << 3 | 2
_ROW_SCORE_TAG = 5 << 3 | 5
_VIDEO_ID_TAG = 1 << 3
_VIDEO_SCORE_TAG = 3 << 3 | 5
_LONGEST_VIDEO = 2 + 1 + 10 + 5
_LONGEST_ROW = 1 + 5 + 5
_CONTINUES = 0x80
_SEVEN_BITS = 0x7F


class RowColumns(NamedTuple):
    """Hold the rows of a batch.

    starts: int64[pages + 1] into the row columns.
    labels: int64[rows], place of each row's label.
    score_bits: uint32[rows], bits of the float32 scores.
    video_starts: int64[rows + 1] into the video columns.
    video_ids: int64[videos].
    video_score_bits: uint32[videos].
    label_starts: int64[labels + 1] into label_bytes.
    label_bytes: uint8, fields 1 to 3 of `PageRow` for each label.
    """

    starts: Int64Array
    labels: Int64Array
    score_bits: UInt32Array
    video_starts: Int64Array
    video_ids: Int64Array
    video_score_bits: UInt32Array
    label_starts: Int64Array
    label_bytes: UInt8Array


@kernel
def varint_size(value: np.uint64) -> int:
    """Return how many bytes a varint has."""
    size = 1
    while value >> np.uint64(28):  # numbers of texts have nine bytes
        value >>= np.uint64(28)
        size += 4
    while value > np.uint64(_SEVEN_BITS):
        value >>= np.uint64(7)
        size += 1
    return size


@kernel
def write_varint(out: UInt8Array, at: int, value: np.uint64) -> int:
    """Write a varint and return where the next byte goes."""
    while value > np.uint64(_SEVEN_BITS):
        out[at] = np.uint8((value & np.uint64(_SEVEN_BITS)) | np.uint64(_CONTINUES))
        value >>= np.uint64(7)
        at += 1
    out[at] = np.uint8(value)
    return at + 1


@kernel
def write_fixed32(out: UInt8Array, at: int, bits: np.uint32) -> int:
    """Write four little-endian bytes and return where the next byte goes."""
    for byte in range(4):
        out[at + byte] = np.uint8((bits >> np.uint32(8 * byte)) & np.uint32(0xFF))
    return at + 4


@kernel
def video_size(video_id: int, score_bits: np.uint32) -> int:
    """Return how many bytes a `PageVideo` has; zeros are left out."""
    size = 0
    if video_id != 0:
        size += 1 + varint_size(np.uint64(video_id))
    return size + (5 if score_bits != 0 else 0)


@kernel
def write_rows(columns: RowColumns, out: UInt8Array, ends: Int64Array) -> None:
    """Write field 4 of each `Page`.

    Args:
        columns: The rows.
        out: uint8, large enough, written.
        ends: int64[pages], written: where each page's rows end in `out`.
    """
    at = 0
    for page in range(len(columns.starts) - 1):
        for row in range(columns.starts[page], columns.starts[page + 1]):
            label = columns.labels[row]
            label_start, label_end = (
                columns.label_starts[label],
                columns.label_starts[label + 1],
            )
            first, last = columns.video_starts[row], columns.video_starts[row + 1]
            size = label_end - label_start + (5 if columns.score_bits[row] != 0 else 0)
            for video in range(first, last):
                own = video_size(columns.video_ids[video], columns.video_score_bits[video])
                size += 1 + 1 + own
            out[at] = _ROWS_TAG
            at = write_varint(out, at + 1, np.uint64(size))
            for index in range(label_start, label_end):
                out[at] = columns.label_bytes[index]
                at += 1
            for video in range(first, last):
                video_id = columns.video_ids[video]
                score_bits = columns.video_score_bits[video]
                out[at] = _VIDEOS_TAG
                begin = at + 2  # the size, of one byte, is known once the video is written
                at = begin
                if video_id != 0:
                    out[at] = _VIDEO_ID_TAG
                    at = write_varint(out, at + 1, np.uint64(video_id))
                if score_bits != 0:
                    out[at] = _VIDEO_SCORE_TAG
                    at = write_fixed32(out, at + 1, score_bits)
                out[begin - 1] = at - begin
            if columns.score_bits[row] != 0:
                out[at] = _ROW_SCORE_TAG
                at = write_fixed32(out, at + 1, columns.score_bits[row])
        ends[page] = at


def encode_pages(
    requests: PageRequests,
    geometries: Sequence[Geometry],
    row_counts: Int64Array,
    labels: Sequence[RowLabel],
    row_indexes: Int64Array,
    row_scores: Float32Array,
    video_counts: Int64Array,
    video_ids: Int64Array,
    scores: Float32Array,
) -> list[bytes]:
    """Return the canonical bytes of each page; columns as in `AssembledPages`."""
    prefixes = [
        page_pb2.PageRow(
            row_id=label.row_id,
            type=page_pb2.RowType.ValueType(label.type),
            title=label.title,
        ).SerializeToString(deterministic=True)
        for label in labels
    ]
    label_sizes = np.array([len(prefix) for prefix in prefixes], np.int64)
    columns = RowColumns(
        starts=starts(row_counts),
        labels=row_indexes,
        score_bits=np.ascontiguousarray(row_scores).view(np.uint32),
        video_starts=starts(video_counts),
        video_ids=video_ids,
        video_score_bits=np.ascontiguousarray(scores).view(np.uint32),
        label_starts=starts(label_sizes),
        label_bytes=np.frombuffer(b"".join(prefixes), np.uint8),
    )
    room = _LONGEST_VIDEO * len(video_ids) + _LONGEST_ROW * len(row_indexes)
    room += int(label_sizes[row_indexes].sum())
    out = np.empty(room, np.uint8)
    ends = np.zeros(len(requests), np.int64)
    write_rows(columns, out, ends)
    written = out.tobytes()
    tails = {geometry: _tail(geometry) for geometry in set(geometries)}
    begins = [0, *ends[:-1].tolist()]
    return [
        _head(profile_id, as_of, device) + written[begin:end] + tails[geometry]
        for profile_id, as_of, device, begin, end, geometry in zip(
            requests.profile_ids.tolist(),
            requests.as_of_micros.tolist(),
            requests.devices,
            begins,
            ends.tolist(),
            geometries,
            strict=True,
        )
    ]


def _head(profile_id: int, as_of_micros: int, device: str) -> bytes:
    as_of = encode_timestamp(as_of_micros)
    page = page_pb2.Page(profile_id=profile_id, as_of=as_of, device=device)
    return page.SerializeToString(deterministic=True)


def _tail(geometry: Geometry) -> bytes:
    page = page_pb2.Page(geometry=geometry_message(geometry))
    return page.SerializeToString(deterministic=True)
