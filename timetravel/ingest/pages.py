"""Reads the logged pages of a chunk."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError
from pagesim.page.v1 import page_pb2

from core.columns import decode_floats, decode_integers
from core.errors import InvalidInput
from core.timestamps import decode_timestamp
from timetravel.errors import InvalidFact
from timetravel.facts.model import LoggedFeatures, LoggedPageFact, Op

if TYPE_CHECKING:
    from pagesim.ingest.v1 import ingest_pb2
    from pagesim.timetravel.v1 import timetravel_pb2

    from timetravel.ingest.fields import Fields
    from timetravel.ingest.limits import Limits


def read_logged_page(
    message: ingest_pb2.LoggedPageRecord,
    fields: Fields,
    *,
    shown_at: int,
    known_at: int,
    op: Op,
) -> LoggedPageFact | None:
    """Return a logged page, None if something is wrong with it."""
    profile_id = fields.identity("logged_page.profile_id", message.profile_id)
    if op is not Op.ASSERT:
        given = message.device or message.context_json or message.page or message.features
        fields.nothing_but_assert("logged_page.page", op, given=bool(given))
        if not fields.are_right():
            return None
        return LoggedPageFact.withdraw(profile_id, shown_at, known_at, op)
    device = fields.name("logged_page.device", message.device)
    context = fields.json_object("logged_page.context_json", message.context_json)
    features = tuple(_read_features(logged, fields) for logged in message.features)
    if not fields.are_right():
        return None
    page = fields.take(
        "logged_page.page",
        lambda page: check_page(
            page,
            profile_id=profile_id,
            shown_at=shown_at,
            device=device,
            limits=fields.rules.limits,
        ),
        message.page,
        b"",
    )
    if not fields.are_right():
        return None
    return LoggedPageFact(
        profile_id,
        shown_at,
        known_at,
        device,
        context,
        page,
        hashlib.sha256(page).hexdigest(),
        tuple(logged for logged in features if logged is not None),
    )


def check_page(
    page: bytes, *, profile_id: int, shown_at: int, device: str, limits: Limits
) -> bytes:
    """Return the bytes of a page.

    Raises:
        InvalidFact: They are not the canonical bytes of a page, or of another visit's.
        InvalidInput: Its as-of is no moment.
    """
    if len(page) > limits.json_bytes:
        raise InvalidFact(
            f"A page has no more than {limits.json_bytes} bytes.",
            remedy="Leave out what was not shown.",
        )
    try:
        message = page_pb2.Page.FromString(page)
    except DecodeError:
        raise InvalidFact(
            "These bytes are not a pagesim.page.v1.Page.", remedy="Serialise a page."
        ) from None
    message.DiscardUnknownFields()
    if any(video.title for row in message.rows for video in row.videos) or (
        message.SerializeToString(deterministic=True) != page
    ):
        raise InvalidFact(
            "These are not a page's canonical bytes.",
            remedy="Serialise it deterministically, without video titles.",
        )
    _check_rows(message)
    as_of = decode_timestamp(message.as_of, field="as_of")
    if (message.profile_id, as_of, message.device) != (profile_id, shown_at, device):
        raise InvalidFact(
            f"The page is profile {message.profile_id}'s, of {as_of} microseconds since 1970, "
            f"on {message.device!r}.",
            remedy="Give the page of the record's profile, moment and device.",
        )
    return page


def _check_rows(page: page_pb2.Page) -> None:
    shape = page.geometry
    if not (
        1 <= shape.viewport_rows <= shape.rows and 1 <= shape.viewport_columns <= shape.columns
    ):
        raise InvalidFact(
            f"A viewport of {shape.viewport_rows} x {shape.viewport_columns} does not lie "
            f"within a page of {shape.rows} x {shape.columns}.",
            remedy="Give the page's geometry.",
        )
    known = {number for number in page_pb2.RowType.values() if number}
    for place, row in enumerate(page.rows):
        if row.type not in known or not row.row_id:
            raise InvalidFact(
                f"Row {place} has type {row.type} and the id {row.row_id!r}.",
                remedy="Give each row its id, and one of pagesim.page.v1.RowType.",
            )


def _read_features(
    message: timetravel_pb2.LoggedFeatures, fields: Fields
) -> LoggedFeatures | None:
    group = fields.name("logged_page.features.group", message.group)
    place = "logged_page.features"
    try:
        entity_ids = decode_integers(message.entity_ids, field="entity_ids")
        rows = len(entity_ids)
        values = decode_floats(message.values, field="values")
        if len(values) % rows if rows else len(values):
            raise InvalidFact(
                f"{len(values)} values do not divide among {rows} entities.",
                remedy="Give one row of values for each.",
                field="values",
            )
        return LoggedFeatures(
            group,
            entity_ids,
            values.reshape(rows, len(values) // max(rows, 1)),
            decode_integers(message.known_at_micros, field="known_at_micros", length=rows),
            decode_integers(message.valid_from_micros, field="valid_from_micros", length=rows),
        )
    except InvalidInput as error:
        fields.wrong(f"{place}.{error.field}", None, error.problem, error.remedy)
        return None
