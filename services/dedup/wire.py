"""Codec of `pagesim.dedup.v1`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pagesim.dedup.v1 import dedup_pb2

from core.columns import decode_integers, encode_integers
from services.dedup.task import DedupTask, KeptRows
from services.errors import InvalidPages
from services.page.canonical import geometry_message, geometry_of
from services.page.wire import decode_batch, decode_counts, decode_places, encode_batch

if TYPE_CHECKING:
    from core.arrays import Int64Array
    from services.page.model import Geometry

_LARGEST_VIDEO = 2**31


def encode_request(task: DedupTask) -> dedup_pb2.DedupRequest:
    """Return a dedup task as a message."""
    pages = encode_batch(task.requests)
    shapes = dict(zip(task.requests.devices, task.geometries, strict=True))
    return dedup_pb2.DedupRequest(
        pages=pages,
        geometries=[geometry_message(shapes[name]) for name in pages.device_names],
        row_counts=encode_integers(task.row_counts),
        row_ids=task.row_ids,
        row_indexes=encode_integers(task.row_indexes),
        video_counts=encode_integers(task.video_counts),
        videos=encode_integers(task.videos),
        pins=encode_integers(task.pins) if task.pins.any() else None,
    )


def decode_request(message: dedup_pb2.DedupRequest) -> DedupTask:
    """Return the dedup task of a message.

    Raises:
        InvalidPages: The columns do not add up.
    """
    requests = decode_batch(message.pages)
    row_counts = decode_counts(message.row_counts, field="row_counts", length=len(requests))
    rows = int(row_counts.sum())
    video_counts = decode_counts(message.video_counts, field="video_counts", length=rows)
    pins = np.zeros(rows, np.int64)
    if message.HasField("pins"):
        pins = decode_counts(message.pins, field="pins", length=rows)
    return DedupTask(
        requests=requests,
        geometries=_page_geometries(message, requests.devices),
        row_counts=row_counts,
        row_ids=tuple(message.row_ids),
        row_indexes=decode_places(
            message.row_indexes, field="row_indexes", length=rows, limit=len(message.row_ids)
        ),
        pins=pins,
        video_counts=video_counts,
        videos=_small_integers(
            decode_integers(message.videos, field="videos", length=int(video_counts.sum()))
        ),
    )


def encode_response(kept: KeptRows) -> dedup_pb2.DedupResponse:
    """Return kept rows as a message."""
    return dedup_pb2.DedupResponse(
        row_counts=encode_integers(kept.row_counts),
        kept_rows=encode_integers(kept.rows),
        video_counts=encode_integers(kept.video_counts),
        kept_videos=encode_integers(kept.videos),
        newest_known_at_micros=encode_integers(kept.newest_known_at),
    )


def decode_response(message: dedup_pb2.DedupResponse, task: DedupTask) -> KeptRows:
    """Return the kept rows of a message that answers a task.

    Raises:
        InvalidPages: The columns do not add up, or keep what was not offered.
    """
    pages = len(task.requests)
    row_counts = decode_counts(message.row_counts, field="row_counts", length=pages)
    rows = int(row_counts.sum())
    video_counts = decode_counts(message.video_counts, field="video_counts", length=rows)
    kept = KeptRows(
        row_counts=row_counts,
        rows=decode_integers(message.kept_rows, field="kept_rows", length=rows),
        video_counts=video_counts,
        videos=decode_integers(
            message.kept_videos, field="kept_videos", length=int(video_counts.sum())
        ),
        newest_known_at=decode_integers(
            message.newest_known_at_micros, field="newest_known_at_micros", length=pages
        ),
    )
    page_of_row = np.repeat(np.arange(pages), row_counts)
    _check_offered(kept.rows, task.row_counts[page_of_row], field="kept_rows")
    offered = np.repeat(
        task.video_counts[task.row_starts[page_of_row] + kept.rows], video_counts
    )
    _check_offered(kept.videos, offered, field="kept_videos")
    return kept


def _page_geometries(
    message: dedup_pb2.DedupRequest, devices: tuple[str, ...]
) -> tuple[Geometry, ...]:
    names = message.pages.device_names
    if len(message.geometries) != len(names):
        raise InvalidPages(
            f"{len(message.geometries)} geometries do not fit {len(names)} devices.",
            remedy="Send one for each of pages.device_names.",
            field="geometries",
        )
    shapes = dict(zip(names, map(geometry_of, message.geometries), strict=True))
    return tuple(shapes[device] for device in devices)


def _small_integers(videos: Int64Array) -> Int64Array:
    if not len(videos) or 0 <= int(videos.min()) <= int(videos.max()) < _LARGEST_VIDEO:
        return videos
    return np.unique(videos, return_inverse=True)[1].astype(np.int64)


def _check_offered(places: Int64Array, offered: Int64Array, *, field: str) -> None:
    if bool(((places < 0) | (places >= offered)).any()):
        raise InvalidPages(
            "Something is kept that was not offered.",
            remedy="Send places among what the request offered.",
            field=field,
        )
