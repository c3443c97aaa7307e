"""Codec of `pagesim.assembler.v1`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from pagesim.assembler.v1 import assembler_pb2
from pagesim.page.v1 import page_pb2

from core.columns import (
    decode_floats,
    decode_integers,
    encode_floats,
    encode_integers,
    read_floats,
)
from services.errors import InvalidPages
from services.page.canonical import geometry_message, geometry_of, row_type_of
from services.page.model import DIGEST_BYTES, AssembledPages, PageFailure, RowLabel
from services.page.wire import decode_counts, decode_places, encode_batch

if TYPE_CHECKING:
    from services.page.model import Geometry, PageRequests

_NO_DIGEST = bytes(DIGEST_BYTES)
_CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}


def encode_response(pages: AssembledPages) -> assembler_pb2.AssemblePagesResponse:
    """Return finished pages as a message."""
    batch = encode_batch(pages.requests)
    geometries = list(dict.fromkeys(shape for shape in pages.geometries if shape is not None))
    return assembler_pb2.AssemblePagesResponse(
        row_counts=encode_integers(pages.row_counts),
        row_definitions=[
            page_pb2.RowDefinition(
                row_id=label.row_id,
                type=page_pb2.RowType.ValueType(label.type),
                title=label.title,
            )
            for label in pages.labels
        ],
        row_indexes=encode_integers(pages.row_indexes),
        row_scores=encode_floats(pages.row_scores),
        video_counts=encode_integers(pages.video_counts),
        video_ids=encode_integers(pages.video_ids),
        scores=encode_floats(pages.scores),
        page_digests=b"".join(
            bytes.fromhex(digest) if digest else _NO_DIGEST for digest in pages.digests
        ),
        newest_known_at_micros=encode_integers(pages.newest_known_at),
        failures=[
            assembler_pb2.PageFailure(
                index=failure.index, code=failure.code.value[0], message=failure.message
            )
            for failure in pages.failures
        ],
        geometries=[geometry_message(shape) for shape in geometries],
        geometry_indexes=encode_integers(
            [0 if shape is None else geometries.index(shape) for shape in pages.geometries]
        ),
        device_names=batch.device_names,
        device_indexes=batch.device_indexes,
    )


def decode_response(
    message: assembler_pb2.AssemblePagesResponse, requests: PageRequests
) -> AssembledPages:
    """Return the finished pages of a message that answers requests.

    Raises:
        InvalidPages: The columns do not add up.
    """
    pages = len(requests)
    row_counts = decode_counts(message.row_counts, field="row_counts", length=pages)
    rows = int(row_counts.sum())
    video_counts = decode_counts(message.video_counts, field="video_counts", length=rows)
    videos = int(video_counts.sum())
    devices = list(message.device_names)
    device_indexes = decode_places(
        message.device_indexes, field="device_indexes", length=pages, limit=len(devices)
    )
    failures = tuple(_decode_failure(failure, pages) for failure in message.failures)
    failed = {failure.index for failure in failures}
    return AssembledPages(
        requests=requests.on(tuple(devices[index] for index in device_indexes.tolist())),
        geometries=_decode_geometries(message, failed, pages),
        row_counts=row_counts,
        labels=tuple(
            RowLabel(row.row_id, row_type_of(row.type), row.title)
            for row in message.row_definitions
        ),
        row_indexes=decode_places(
            message.row_indexes,
            field="row_indexes",
            length=rows,
            limit=len(message.row_definitions),
        ),
        row_scores=decode_floats(message.row_scores, field="row_scores", length=rows),
        video_counts=video_counts,
        video_ids=decode_integers(message.video_ids, field="video_ids", length=videos),
        scores=read_floats(message.scores, field="scores", length=videos),
        digests=_decode_digests(message.page_digests, failed, pages),
        newest_known_at=decode_integers(
            message.newest_known_at_micros, field="newest_known_at_micros", length=pages
        ),
        failures=failures,
    )


def _decode_failure(message: assembler_pb2.PageFailure, pages: int) -> PageFailure:
    if message.index >= pages or message.code not in _CODES:
        raise InvalidPages(
            f"Page {message.index} of {pages} failed with code {message.code}.",
            remedy="Name a page of the request and a gRPC status code.",
            field="failures",
        )
    return PageFailure(message.index, _CODES[message.code], message.message)


def _decode_geometries(
    message: assembler_pb2.AssemblePagesResponse, failed: set[int], pages: int
) -> tuple[Geometry | None, ...]:
    geometries = [geometry_of(geometry) for geometry in message.geometries]
    indexes = decode_places(
        message.geometry_indexes,
        field="geometry_indexes",
        length=pages,
        limit=max(1, len(geometries)),
    )
    if not geometries and len(failed) < pages:
        raise InvalidPages(
            f"There is no geometry for {pages - len(failed)} pages.",
            remedy="Send the geometry of every page.",
            field="geometries",
        )
    return tuple(
        None if page in failed else geometries[index]
        for page, index in enumerate(indexes.tolist())
    )


def _decode_digests(packed: bytes, failed: set[int], pages: int) -> tuple[str, ...]:
    if len(packed) != pages * DIGEST_BYTES:
        raise InvalidPages(
            f"{len(packed)} bytes are not the digests of {pages} pages.",
            remedy=f"Send {DIGEST_BYTES} bytes for each.",
            field="page_digests",
        )
    return tuple(
        "" if page in failed else packed[page * DIGEST_BYTES : (page + 1) * DIGEST_BYTES].hex()
        for page in range(pages)
    )
