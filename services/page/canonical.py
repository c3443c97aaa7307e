"""The canonical bytes of a page: logged, hashed and compared.

They are the deterministic serialisation of `pagesim.page.v1.Page` without video titles: an
id identifies a video, and a corrected title is not another page.
"""

from __future__ import annotations

import hashlib

from google.protobuf.message import DecodeError
from pagesim.page.v1 import page_pb2

from core.timestamps import decode_timestamp, encode_timestamp
from services.errors import InvalidPages
from services.page.model import Geometry, Page, PageRow, PageVideo, RowType


def page_message(page: Page, *, with_titles: bool = True) -> page_pb2.Page:
    """Return the page as a message."""
    message = page_pb2.Page(
        profile_id=page.profile_id,
        device=page.device,
        rows=[
            page_pb2.PageRow(
                row_id=row.row_id,
                type=page_pb2.RowType.ValueType(row.type),
                title=row.title,
                videos=[
                    page_pb2.PageVideo(
                        video_id=video.video_id,
                        title=video.title if with_titles else "",
                        score=video.score,
                    )
                    for video in row.videos
                ],
                score=row.score,
            )
            for row in page.rows
        ],
        geometry=geometry_message(page.geometry),
    )
    message.as_of.CopyFrom(encode_timestamp(page.as_of_micros))
    return message


def geometry_message(geometry: Geometry) -> page_pb2.Geometry:
    """Return the geometry as a message."""
    return page_pb2.Geometry(
        rows=geometry.rows,
        columns=geometry.columns,
        viewport_rows=geometry.viewport_rows,
        viewport_columns=geometry.viewport_columns,
    )


def geometry_of(message: page_pb2.Geometry) -> Geometry:
    """Return the geometry of a message.

    Raises:
        InvalidPages: The viewport does not lie within the page.
    """
    return Geometry(
        rows=message.rows,
        columns=message.columns,
        viewport_rows=message.viewport_rows,
        viewport_columns=message.viewport_columns,
    )


def page_of(message: page_pb2.Page) -> Page:
    """Return the page of a message.

    Raises:
        InvalidPages: The message is not a page: a row type or the geometry is not set.
        InvalidInput: Its as-of is no moment.
    """
    return Page(
        profile_id=message.profile_id,
        as_of_micros=decode_timestamp(message.as_of, field="as_of"),
        device=message.device,
        rows=tuple(
            PageRow(
                row_id=row.row_id,
                type=row_type_of(row.type),
                title=row.title,
                videos=tuple(
                    PageVideo(video_id=video.video_id, score=video.score, title=video.title)
                    for video in row.videos
                ),
                score=row.score,
            )
            for row in message.rows
        ),
        geometry=geometry_of(message.geometry),
    )


def row_type_of(number: int) -> RowType:
    """Return the row type of a proto number.

    Raises:
        InvalidPages: No row type has that number.
    """
    try:
        return RowType(number)
    except ValueError:
        raise InvalidPages(
            f"{number} is not a row type.",
            remedy=f"Use 1 to {max(RowType).value} (pagesim.page.v1.RowType).",
            field="type",
        ) from None


def canonical_bytes(page: Page) -> bytes:
    """Return the canonical bytes of a page."""
    return page_message(page, with_titles=False).SerializeToString(deterministic=True)


def page_digest(page: Page) -> str:
    """Return the SHA-256 of a page's canonical bytes in hexadecimal."""
    return hashlib.sha256(canonical_bytes(page)).hexdigest()


def parse_page(canonical: bytes) -> Page:
    """Return the page of its canonical bytes.

    Raises:
        InvalidPages: The bytes are not a page.
    """
    return page_of(parse_message(canonical))


def parse_message(canonical: bytes) -> page_pb2.Page:
    """Return the message of a page's canonical bytes.

    Raises:
        InvalidPages: The bytes are not a page.
    """
    try:
        return page_pb2.Page.FromString(canonical)
    except DecodeError as error:
        raise InvalidPages(
            f"{len(canonical)} bytes are not a page: {error}.",
            remedy="Give the bytes of a pagesim.page.v1.Page.",
        ) from error
