"""Codec of what all page messages share: batches, rows, positions and bitmaps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from pagesim.page.v1 import page_pb2

from core.columns import decode_integers, encode_integers, read_integers
from core.moments import check_moment
from services.errors import InvalidPages
from services.page.model import PageRequests, RowDefinition, RowOrdering, RowType, SeenPolicy

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pagesim.columns.v1 import columns_pb2

    from core.arrays import Int32Array, Int64Array, UInt8Array


_LONGEST_DEVICE = 512
MAXIMUM_PAGES = 4096
"""Pages of one batch at most; 128 to 256 is what costs least."""


def encode_batch(requests: PageRequests) -> page_pb2.PageBatch:
    """Return page requests as a message."""
    names = sorted(set(requests.devices))
    places = {name: place for place, name in enumerate(names)}
    return page_pb2.PageBatch(
        profile_ids=encode_integers(requests.profile_ids),
        as_of_micros=encode_integers(requests.as_of_micros),
        device_names=names,
        device_indexes=encode_integers([places[device] for device in requests.devices]),
    )


def decode_batch(message: page_pb2.PageBatch) -> PageRequests:
    """Return the page requests of a message.

    Raises:
        InvalidColumn: Columns differ in length, or are malformed.
        InvalidPages: There are no pages or too many, a device index names nothing, or a
            device's name is too long.
        InvalidInput: A moment is none.
    """
    profile_ids = decode_integers(message.profile_ids, field="pages.profile_ids")
    pages = len(profile_ids)
    if not 1 <= pages <= MAXIMUM_PAGES:
        raise InvalidPages(
            f"The batch has {pages} pages.",
            remedy=f"Send 1 to {MAXIMUM_PAGES}.",
            field="pages.profile_ids",
        )
    indexes = decode_places(
        message.device_indexes,
        field="pages.device_indexes",
        length=pages,
        limit=len(message.device_names),
    )
    names = list(message.device_names)
    for name in names:
        check_device(name, field="pages.device_names")
    moments = decode_integers(message.as_of_micros, field="pages.as_of_micros", length=pages)
    for moment in (moments.min(), moments.max()):
        check_moment(int(moment), field="pages.as_of_micros")
    return PageRequests(
        profile_ids=profile_ids,
        as_of_micros=moments,
        devices=tuple(names[index] for index in indexes.tolist()),
    )


def check_device(name: str, *, field: str) -> None:
    """Check that a text is no longer than a device's name can be.

    Raises:
        InvalidPages: It is. Each page of a batch that fails for its device names it.
    """
    if len(name) > _LONGEST_DEVICE:
        raise InvalidPages(
            f"A device's name has {len(name)} characters.",
            remedy=f"Give at most {_LONGEST_DEVICE}.",
            field=field,
        )


def encode_row(row: RowDefinition) -> page_pb2.RowDefinition:
    """Return a row definition as a message."""
    return page_pb2.RowDefinition(
        row_id=row.row_id,
        type=page_pb2.RowType.ValueType(row.type),
        title=row.title,
        genre=row.genre,
        video_ids=row.video_ids,
        ordering=page_pb2.RowOrdering.ValueType(row.ordering),
        prior=row.prior,
        seen=page_pb2.SeenPolicy.ValueType(row.seen),
    )


def decode_row(message: page_pb2.RowDefinition) -> RowDefinition:
    """Return the row definition of a message.

    Raises:
        InvalidPages: Its type or ordering is not set or not known here, or its prior is not
            a number.
    """
    types = {member.value for member in RowType}
    orderings = {member.value for member in RowOrdering}
    if message.type not in types or message.ordering not in orderings:
        raise InvalidPages(
            f"Row {message.row_id!r} has type {message.type} and ordering {message.ordering}.",
            remedy=f"Types are {sorted(types)}, orderings {sorted(orderings)}.",
            field="rows",
        )
    if not math.isfinite(message.prior):
        raise InvalidPages(
            f"Row {message.row_id!r} has a prior of {message.prior}.",
            remedy="Give a finite number.",
            field="rows",
        )
    return RowDefinition(
        row_id=message.row_id,
        type=RowType(message.type),
        title=message.title,
        ordering=RowOrdering(message.ordering),
        prior=message.prior,
        genre=message.genre,
        video_ids=tuple(message.video_ids),
        seen=_decode_seen(message),
    )


def _decode_seen(message: page_pb2.RowDefinition) -> SeenPolicy:
    if message.seen == page_pb2.SEEN_POLICY_UNSPECIFIED:
        return SeenPolicy.EXCLUDE
    try:
        return SeenPolicy(message.seen)
    except ValueError:
        raise InvalidPages(
            f"Row {message.row_id!r} has seen policy {message.seen}.",
            remedy=f"Policies are {sorted(member.value for member in SeenPolicy)}.",
            field="rows",
        ) from None


def decode_places(
    column: columns_pb2.IntegerColumn,
    *,
    field: str,
    limit: int,
    length: int | None = None,
) -> Int64Array:
    """Return a column of places in something that has `limit` of them.

    Raises:
        InvalidColumn: It is not a column, or has another length.
        InvalidPages: A place is negative, or `limit` or more.
    """
    return _read_places(column, field, limit, length).astype(np.int64)


def decode_positions(
    column: columns_pb2.IntegerColumn, *, field: str, limit: int, length: int
) -> Int32Array:
    """Return a column of places as `decode_places` does, as int32[length].

    Raises:
        InvalidColumn: It is not a column, or has another length.
        InvalidPages: A place is negative, or `limit` or more.
    """
    return _read_places(column, field, limit, length).astype(np.int32)


def _read_places(
    column: columns_pb2.IntegerColumn, field: str, limit: int, length: int | None
) -> NDArray[np.integer]:
    places = read_integers(column, field=field, length=length)
    if len(places) and not 0 <= int(places.min()) <= int(places.max()) < limit:
        raise InvalidPages(
            f"Places from {int(places.min())} to {int(places.max())} are not within "
            f"0 to {limit - 1}.",
            remedy="Send places in what they refer to.",
            field=field,
        )
    return places


def decode_counts(column: columns_pb2.IntegerColumn, *, field: str, length: int) -> Int64Array:
    """Return a column of counts.

    Raises:
        InvalidColumn: It is not a column, or has another length.
        InvalidPages: A count is negative or absurd.
    """
    return decode_places(column, field=field, limit=2**31, length=length)


def decode_bitmaps(packed: bytes, *, field: str, pages: int) -> UInt8Array:
    """Return the bitmaps of a batch: uint8[pages, bytes].

    Raises:
        InvalidPages: The bytes do not divide into pages.
    """
    if len(packed) % pages:
        raise InvalidPages(
            f"{len(packed)} bytes do not divide into bitmaps of {pages} pages.",
            remedy="Send one bitmap of ceil(videos / 8) bytes per page.",
            field=field,
        )
    return np.frombuffer(packed, np.uint8).reshape(pages, -1).copy()
