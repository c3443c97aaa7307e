"""Converts database rows into the results of `timetravel.reading.reader`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from core.moments import EARLIEST_MICROS
from timetravel.reading.reader import (
    AvailabilityBitmaps,
    FeatureRows,
    HistoryRows,
    digest_listing,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from core.arrays import Int64Array
    from timetravel.database.registry import RegisteredGroup
    from timetravel.facts.model import JsonValue


def feature_rows(
    registered: RegisteredGroup,
    found: Iterable[tuple[int | None, bytes | None, int | None, int | None]],
) -> FeatureRows:
    """Return vectors from (schema_version, vector, known_at, valid_from) of each row.

    An absent version has no vector; a row without any version has only None.
    """
    versions, vectors, known_at, valid_from = _columns(found, 4)
    # What is absent is NaN whatever the schema it was written under.
    asserted = [
        version if vector is not None else None
        for version, vector in zip(versions, vectors, strict=True)
    ]
    return FeatureRows(
        registered.group,
        registered.decode(asserted, vectors),
        moment_column(known_at),
        moment_column(valid_from),
    )


def history_rows(
    rows: int, found: Iterable[tuple[int, int, int, int, float | None, int]]
) -> HistoryRows:
    """Return events from (row, video_id, event_at, kind, value, known_at), ordered by row."""
    row, video_ids, event_at, kinds, values, known_at = _columns(found, 6)
    counts = np.bincount(np.asarray(row, dtype=np.int64), minlength=rows)
    newest_known_at = np.full(rows, EARLIEST_MICROS, dtype=np.int64)
    np.maximum.at(
        newest_known_at, np.asarray(row, dtype=np.int64), np.asarray(known_at, dtype=np.int64)
    )
    return HistoryRows(
        np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts, dtype=np.int64)]),
        np.asarray(video_ids, dtype=np.int64),
        np.asarray(event_at, dtype=np.int64),
        np.asarray(kinds, dtype=np.int8),
        np.asarray(values, dtype=np.float32),  # None becomes NaN
        newest_known_at,
    )


def availability_bitmaps(
    video_ids: Int64Array,
    licences: Iterable[tuple[str, str, int]],
    *,
    unchanged_until: int | None,
) -> AvailabilityBitmaps:
    """Return bitmaps from (country, video ids joined by commas, newest known_at)."""
    found = sorted(licences)
    available = np.zeros((len(found), len(video_ids)), dtype=np.bool_)
    for row, (_, joined, _) in enumerate(found):
        licensed = np.fromstring(joined, dtype=np.int64, sep=",")
        # A video with a licence but without any attribute is not in the catalogue yet.
        available[row] = np.isin(video_ids, licensed)
    return AvailabilityBitmaps(
        digest_listing(video_ids),
        tuple(country for country, _, _ in found),
        available,
        unchanged_until,
        max((known_at for _, _, known_at in found), default=EARLIEST_MICROS),
    )


def parse_json(texts: Sequence[str | None]) -> list[JsonValue]:
    """Return the JSON values of many texts; None stays None."""
    # One parse of a list is several times faster than a list of parses.
    values: list[JsonValue] = json.loads(f"[{','.join([text or 'null' for text in texts])}]")
    return values


def moment_column(moments: Sequence[int | None]) -> Int64Array:
    """Return moments as int64, EARLIEST_MICROS for None."""
    return np.fromiter(
        (EARLIEST_MICROS if moment is None else moment for moment in moments),
        dtype=np.int64,
        count=len(moments),
    )


def _columns(rows: Iterable[tuple[Any, ...]], width: int) -> Sequence[Sequence[Any]]:
    columns = list(zip(*rows, strict=True))
    return columns or [()] * width
