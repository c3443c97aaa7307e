"""Codec of `pagesim.filtering.v1`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pagesim.filtering.v1 import filtering_pb2

from core.columns import decode_integers, encode_integers
from services.filtering.task import Eligibility
from services.page.wire import (
    decode_batch,
    decode_bitmaps,
    decode_counts,
    decode_positions,
    encode_batch,
)

if TYPE_CHECKING:
    from services.page.model import PageRequests


def encode_request(requests: PageRequests) -> filtering_pb2.FilterRequest:
    """Return page requests as a message."""
    return filtering_pb2.FilterRequest(pages=encode_batch(requests))


def decode_request(message: filtering_pb2.FilterRequest) -> PageRequests:
    """Return the page requests of a message.

    Raises:
        InvalidPages: The columns do not add up.
    """
    return decode_batch(message.pages)


def encode_response(eligibility: Eligibility) -> filtering_pb2.FilterResponse:
    """Return eligibility as a message."""
    return filtering_pb2.FilterResponse(
        catalogue_version=eligibility.catalogue_version,
        video_count=eligibility.video_count,
        eligible=eligibility.bitmaps.tobytes(),
        newest_known_at_micros=encode_integers(eligibility.newest_known_at),
        seen_counts=encode_integers(eligibility.seen_counts),
        seen_positions=encode_integers(eligibility.seen_positions),
    )


def decode_response(message: filtering_pb2.FilterResponse, pages: int) -> Eligibility:
    """Return the eligibility of a message about so many pages.

    Raises:
        InvalidPages: The columns do not add up.
    """
    counts = decode_counts(message.seen_counts, field="seen_counts", length=pages)
    seen = decode_positions(
        message.seen_positions,
        field="seen_positions",
        length=int(counts.sum()),
        limit=message.video_count,
    )
    return Eligibility(
        catalogue_version=message.catalogue_version,
        video_count=message.video_count,
        bitmaps=decode_bitmaps(message.eligible, field="eligible", pages=pages),
        seen_counts=counts,
        seen_positions=seen,
        newest_known_at=decode_integers(
            message.newest_known_at_micros, field="newest_known_at_micros", length=pages
        ),
    )
