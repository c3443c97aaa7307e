"""Reads logged pages from JSON."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from google.protobuf.json_format import ParseDict, ParseError
from pagesim.page.v1 import page_pb2

from core.moments import from_micros
from experiments.ingest.records.cells import to_text
from timetravel.errors import InvalidFact
from timetravel.facts.external_ids import IdForm
from timetravel.facts.model import EntityKind, LoggedPageFact, Op
from timetravel.ingest.pages import check_page

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from timetravel.facts.external_ids import EntityNames
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
    names: EntityNames,
) -> LoggedPageFact:
    """Return a logged page, or its withdrawal.

    Raises:
        InvalidFact: The JSON is not a page, or that of another visit.
    """
    if op is not Op.ASSERT or page is None:
        return LoggedPageFact.withdraw(profile_id, shown_at, known_at, op)
    message = _parse(_with_numbers(page, names))
    message.profile_id = message.profile_id or profile_id
    message.device = message.device or device
    if not message.HasField("as_of"):
        message.as_of.FromDatetime(from_micros(shown_at))
    for row in message.rows:
        for video in row.videos:
            video.title = ""  # no part of what a page is
    canonical = check_page(
        message,
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


def _with_numbers(page: Mapping[str, JsonValue], names: EntityNames) -> Mapping[str, JsonValue]:
    """Return a page in which entities that are named by texts have their numbers."""

    def number(holder: JsonValue, kind: EntityKind, keys: Sequence[str]) -> JsonValue:
        if not isinstance(holder, dict) or names.form(kind) is not IdForm.TEXTS:
            return holder
        return {
            key: names.number(kind, to_text(value), field="page") if key in keys else value
            for key, value in holder.items()
        }

    def number_row(row: JsonValue) -> JsonValue:
        if not isinstance(row, dict) or not isinstance(row.get("videos"), list):
            return row
        videos = [
            number(video, EntityKind.VIDEO, ("video_id", "videoId")) for video in row["videos"]
        ]
        return {**row, "videos": videos}

    numbered = number(dict(page), EntityKind.PROFILE, ("profile_id", "profileId"))
    found: dict[str, JsonValue] = dict(numbered) if isinstance(numbered, dict) else {}
    rows = found.get("rows")
    if isinstance(rows, list):
        found["rows"] = [number_row(row) for row in rows]
    return found


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
