"""Limits of a chunk, and the moments that are accepted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from core.moments import parse_moment

_MEGABYTE: Final = 1 << 20
_MINUTE_MICROS: Final = 60 * 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of what is taken.

    Attributes:
        chunk_bytes: Of a chunk's message.
        chunk_records: Records and feature groups of a chunk.
        vector_fields: Of a feature group.
        text_bytes: Of a name, an id or another short text, in UTF-8. PostgreSQL indexes no
            key of more than about 2,700 bytes.
        json_bytes: Of a document, an attribute's value or a page.
        json_depth: Lists and objects inside each other.
        earliest_micros: First moment at which anything was true or known. What lies before
            is a time in another unit, or one that somebody made up.
        latest_micros: First moment at which nothing begins to be true yet.
        clock_skew_micros: How far ahead of ours the clock may be that says when something
            became known.
        mistakes: Told one by one.
    """

    chunk_bytes: int = 16 * _MEGABYTE
    chunk_records: int = 50_000
    vector_fields: int = 10_000
    text_bytes: int = 512
    json_bytes: int = 4 * _MEGABYTE
    json_depth: int = 32
    earliest_micros: int = parse_moment("1900-01-01")
    latest_micros: int = parse_moment("2200-01-01")
    clock_skew_micros: int = 5 * _MINUTE_MICROS
    mistakes: int = 100
