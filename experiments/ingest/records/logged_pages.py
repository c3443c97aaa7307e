"""Reads logged pages from JSON."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from google.protobuf.json_format import ParseDict, ParseError
from pagesim.page.v1 import page_pb2

from core.moments import from_micros
from timetravel.errors import InvalidFact
from timetravel.facts.model import LoggedPageFact, Op
from timetravel.ingest.pages import check_page

if TYPE_CHECKING:
    from collections.abc import Mapping

    from timetravel.facts.model import JsonValue
    from timetravel.ingest.limits import Limits

_ROW_TYPE = "ROW_TYPE_"


def logged_page(
    profile_id: int,
    shown_at: int,
    known_at: int,
    device: str,
    context: Mapping[str, JsonValue] | None,
    page: Mapping[str, JsonValue] | None,
    op: Op,
    *,
    limits: Limits,
) -> LoggedPageFact:
    """Return a logged page, or its withdrawal.

    Raises:
        InvalidFact: The JSON is not a page, or that of another visit.
    """
    if op is not Op.ASSERT or page is None:
        return LoggedPageFact.withdraw(profile_id, shown_at, known_at, op)
    message = _parse(page)
    message.profile_id = message.profile_id or profile_id
    message.device = message.device or device
    if not message.HasField("as_of"):
        message.as_of.FromDatetime(from_micros(shown_at))
    for row in message.rows:
        for video in row.videos:
            video.title = ""  # no part of what a page is
    canonical = check_page(
        message.SerializeToString(deterministic=True),
        profile_id=profile_id,
        shown_at=shown_at,
        device=device,
        limits=limits,
    )
    digest = hashlib.sha256(canonical).hexdigest()
    return LoggedPageFact(
        profile_id, shown_at, known_at, device, context or {}, canonical, digest
    )


def _parse(page: Mapping[str, JsonValue]) -> page_pb2.Page:
    rows = page.get("rows")
    if isinstance(rows, list):
        page = {**page, "rows": [_with_type(row) for row in rows]}
    try:
        return ParseDict(page, page_pb2.Page())  # type: ignore[arg-type]  # any mapping does
    except ParseError as error:
        raise InvalidFact(
            f"This is not a page: {error}.",
            remedy="Give geometry and rows, as pagesim.page.v1.Page has them.",
            field="page",
        ) from None


def _with_type(row: JsonValue) -> JsonValue:
    """Return a row with the full name of its type: genre is ROW_TYPE_GENRE."""
    if not isinstance(row, dict):
        return row
    kind = row.get("type")
    if not isinstance(kind, str) or kind.startswith(_ROW_TYPE):
        return row
    return {**row, "type": f"{_ROW_TYPE}{kind.upper()}"}
