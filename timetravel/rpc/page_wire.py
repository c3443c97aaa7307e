"""Codec of logged pages, and of the events that followed them."""

from __future__ import annotations

import json

import numpy as np
from pagesim.timetravel.v1 import timetravel_pb2

from core.columns import (
    decode_floats,
    decode_integers,
    encode_floats,
    encode_integers,
)
from core.errors import InvalidColumn
from core.moments import EARLIEST_MICROS
from core.timestamps import decode_timestamp, encode_timestamp
from timetravel.facts.model import LoggedFeatures, canonical_json
from timetravel.queries.logged_pages import LoggedPage
from timetravel.reading.engagement import EngagementRows
from timetravel.rpc.wire import decode_history


def encode_logged_page(page: LoggedPage, profile_text: str | None) -> timetravel_pb2.LoggedPage:
    """Return a logged page as a message.

    Args:
        page: The page.
        profile_text: Names its profile; None where profiles have numbers.
    """
    return timetravel_pb2.LoggedPage(
        profile_id=page.profile_id,
        shown_at=encode_timestamp(page.shown_at),
        known_at=encode_timestamp(page.known_at),
        device=page.device,
        context_json=canonical_json(page.context),
        page=page.page,
        page_digest=page.page_digest,
        features=[
            timetravel_pb2.LoggedFeatures(
                group=logged.group,
                entity_ids=encode_integers(logged.entity_ids),
                values=encode_floats(logged.values),
                known_at_micros=encode_integers(logged.known_at),
                valid_from_micros=encode_integers(logged.valid_from),
            )
            for logged in page.features
        ],
        profile_external_id=profile_text,
    )


def decode_logged_page(message: timetravel_pb2.LoggedPage) -> LoggedPage:
    """Return the logged page of a message.

    Raises:
        InvalidColumn: Columns of its features do not fit.
    """
    return LoggedPage(
        profile_id=message.profile_id,
        shown_at=decode_timestamp(message.shown_at, field="shown_at"),
        known_at=decode_timestamp(message.known_at, field="known_at"),
        device=message.device,
        context=json.loads(message.context_json),
        page=message.page,
        page_digest=message.page_digest,
        features=tuple(_decode_logged_features(logged) for logged in message.features),
    )


def _decode_logged_features(message: timetravel_pb2.LoggedFeatures) -> LoggedFeatures:
    entity_ids = decode_integers(message.entity_ids, field="entity_ids")
    rows = len(entity_ids)
    values = decode_floats(message.values, field="values")
    return LoggedFeatures(
        message.group,
        entity_ids,
        values.reshape(rows, len(values) // rows if rows else 0),
        decode_integers(message.known_at_micros, field="known_at_micros", length=rows),
        decode_integers(message.valid_from_micros, field="valid_from_micros", length=rows),
    )


def encode_engagement(
    rows: EngagementRows,
) -> timetravel_pb2.BatchGetEngagementResponse:
    """Return events with their pages as a message, without lineage."""
    events = rows.events
    row_ids = sorted({row_id for row_id in rows.row_ids if row_id is not None})
    codes = {row_id: 1 + place for place, row_id in enumerate(row_ids)}
    return timetravel_pb2.BatchGetEngagementResponse(
        counts=encode_integers(np.diff(events.offsets)),
        video_ids=encode_integers(events.video_ids),
        event_at_micros=encode_integers(events.event_at),
        kinds=encode_integers(events.kinds),
        values=encode_floats(events.values),
        shown_at_micros=encode_integers(rows.shown_at),
        row_ids=row_ids,
        row_codes=encode_integers(
            [0 if row_id is None else codes[row_id] for row_id in rows.row_ids]
        ),
        position_codes=encode_integers(rows.positions + 1),
        newest_known_at_micros=encode_integers(events.newest_known_at),
    )


def decode_engagement(
    message: timetravel_pb2.BatchGetEngagementResponse, rows: int
) -> EngagementRows:
    """Return the events of a message with their pages.

    Raises:
        InvalidColumn: Columns do not fit, or name a row that is not there.
    """
    events = decode_history(message, rows)
    count = len(events.video_ids)
    codes = decode_integers(message.row_codes, field="row_codes", length=count)
    names: list[str | None] = [None, *message.row_ids]
    if count and not 0 <= codes.min() <= codes.max() < len(names):
        raise InvalidColumn(
            f"Row codes do not lie within the {len(message.row_ids)} rows.",
            remedy="Send 0, or 1 plus the place of a row.",
            field="row_codes",
        )
    positions = decode_integers(message.position_codes, field="position_codes", length=count)
    return EngagementRows(
        events,
        decode_integers(message.shown_at_micros, field="shown_at_micros", length=count),
        [names[code] for code in codes.tolist()],
        positions - 1,
    )


def newest_of(rows: EngagementRows) -> int:
    """Return the newest known_at of all rows."""
    return int(rows.events.newest_known_at.max(initial=EARLIEST_MICROS))
