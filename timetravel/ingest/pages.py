"""Reads the logged pages of a chunk."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
from google.protobuf.message import DecodeError
from pagesim.page.v1 import page_pb2

from core.columns import decode_floats, decode_integers
from core.errors import InvalidInput
from core.timestamps import decode_timestamp
from timetravel.errors import InvalidFact
from timetravel.facts.external_ids import IdForm
from timetravel.facts.model import EntityKind, LoggedFeatures, LoggedPageFact, Op

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pagesim.ingest.v1 import ingest_pb2
    from pagesim.timetravel.v1 import timetravel_pb2

    from core.arrays import Int64Array
    from timetravel.database.registry import Registry
    from timetravel.facts.external_ids import EntityNames
    from timetravel.ingest.fields import Fields
    from timetravel.ingest.limits import Limits


def read_logged_page(
    message: ingest_pb2.LoggedPageRecord,
    fields: Fields,
    registry: Registry,
    *,
    profile_id: int,
    shown_at: int,
    known_at: int,
    op: Op,
) -> LoggedPageFact | None:
    """Return a logged page, None if something is wrong with it."""
    if op is not Op.ASSERT:
        given = message.device or message.context_json or message.page or message.features
        fields.nothing_but_assert("logged_page.page", op, given=bool(given))
        if not fields.are_right():
            return None
        return LoggedPageFact.withdraw(profile_id, shown_at, known_at, op)
    device = fields.name("logged_page.device", message.device)
    context = fields.json_object("logged_page.context_json", message.context_json)
    features = tuple(_read_features(logged, fields, registry) for logged in message.features)
    if not fields.are_right():
        return None
    page = fields.take(
        "logged_page.page",
        lambda page: check_page(
            *_read_page(page, fields.names),
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


def parse_page(page: bytes) -> page_pb2.Page:
    """Return the message of a page's bytes.

    Raises:
        InvalidFact: They are not a page's, or hold fields that are not known here.
    """
    try:
        message = page_pb2.Page.FromString(page)
    except DecodeError:
        raise InvalidFact(
            "These bytes are not a pagesim.page.v1.Page.", remedy="Serialise a page."
        ) from None
    whole = message.ByteSize()
    message.DiscardUnknownFields()
    if message.ByteSize() != whole:
        raise InvalidFact(
            "The page holds fields that are not known here.", remedy="Leave them out."
        )
    return message


def kinds_of_texts(message: page_pb2.Page) -> Iterator[EntityKind]:
    """Yield the kinds of entities that a page names by texts."""
    if message.HasField("external_id"):
        yield EntityKind.PROFILE
    if any(video.HasField("external_id") for row in message.rows for video in row.videos):
        yield EntityKind.VIDEO


def _read_page(page: bytes, names: EntityNames) -> tuple[page_pb2.Page, bytes]:
    """Return a page with numbers in place of texts, as a message and as bytes.

    The bytes of a page that names entities by texts are canonical, others stay as they are.

    Raises:
        InvalidFact: It names an entity in another way than the store does, or is no page.
    """
    message = parse_page(page)
    has_texts = any(True for _ in kinds_of_texts(message))
    _number(EntityKind.PROFILE, message, "profile_id", names)
    for row in message.rows:
        for video in row.videos:
            _number(EntityKind.VIDEO, video, "video_id", names)
            if has_texts:
                video.title = ""  # no part of what a page is
    return message, message.SerializeToString(deterministic=True) if has_texts else page


def _number(
    kind: EntityKind,
    message: page_pb2.Page | page_pb2.PageVideo,
    name: str,
    names: EntityNames,
) -> None:
    text = message.external_id if message.HasField("external_id") else None
    number = names.number_of(kind, getattr(message, name), text, field="page")
    setattr(message, name, number)
    message.ClearField("external_id")


def check_page(
    message: page_pb2.Page,
    page: bytes,
    *,
    profile_id: int,
    shown_at: int,
    device: str,
    limits: Limits,
) -> bytes:
    """Return the bytes of a page.

    Args:
        message: The page.
        page: What came as its bytes.
        profile_id: Of the visit.
        shown_at: Of the visit, in microseconds.
        device: Of the visit.
        limits: What a page may hold.

    Raises:
        InvalidFact: They are not the canonical bytes of the page, or it is another visit's.
        InvalidInput: Its as-of is no moment.
    """
    if len(page) > limits.json_bytes:
        raise InvalidFact(
            f"A page has no more than {limits.json_bytes} bytes.",
            remedy="Leave out what was not shown.",
        )
    if (
        any(video.title for row in message.rows for video in row.videos)
        or any(True for _ in kinds_of_texts(message))
        or message.SerializeToString(deterministic=True) != page
    ):
        raise InvalidFact(
            "These are not a page's canonical bytes.",
            remedy="Serialise it deterministically, without video titles and external ids.",
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
    message: timetravel_pb2.LoggedFeatures, fields: Fields, registry: Registry
) -> LoggedFeatures | None:
    group = fields.name("logged_page.features.group", message.group)
    place = "logged_page.features"
    try:
        entity_ids = _read_entities(message, fields, registry)
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


def _read_entities(
    message: timetravel_pb2.LoggedFeatures, fields: Fields, registry: Registry
) -> Int64Array:
    """Return the entities whose features were logged, which may be named by texts.

    Raises:
        InvalidInput: They are not named as the store does.
    """
    numbers = decode_integers(message.entity_ids, field="entity_ids")
    texts = message.entity_external_ids
    if len(texts) and len(numbers):
        raise InvalidFact(
            "The entities have numbers and texts.",
            remedy="Give one of the two.",
            field="entity_external_ids",
        )
    registered = registry.groups.get(message.group)
    if registered is None:
        if texts:
            raise InvalidFact(
                "The group is not registered, so what these texts name is not known.",
                remedy="Register it.",
                field="entity_external_ids",
            )
        return numbers
    kind, names = registered.group.entity_kind, fields.names
    field = "entity_external_ids" if texts else "entity_ids"
    try:
        if len(numbers):
            names.settle(kind, IdForm.NUMBERS)
            return numbers
        found = [names.number_of(kind, 0, text, field=field) for text in texts]
    except InvalidFact as error:
        raise InvalidFact(error.problem, remedy=error.remedy, field=field) from None
    return np.array(found, np.int64)
