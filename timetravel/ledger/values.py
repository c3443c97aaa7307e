"""The value of a version as JSON, for people and clients."""

from __future__ import annotations

import json
from functools import cache
from math import isnan
from typing import TYPE_CHECKING

import numpy as np

from timetravel.facts.model import EventKind
from timetravel.reading.allocations import cell_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from timetravel.facts.model import JsonValue


def features_value(fields: Sequence[str], vector: Sequence[float]) -> JsonValue:
    """Return the fields that are not missing."""
    named = zip(fields, vector, strict=True)
    return {field: value for field, value in named if not isnan(value)}


def decode_vector(fields: str, vector: bytes | None) -> JsonValue:
    """Return the fields of a vector as the store has it; None where there is none."""
    if vector is None:
        return None
    return features_value(_fields(fields), np.frombuffer(vector, "<f4").tolist())


@cache
def _fields(text: str) -> Sequence[str]:
    fields: Sequence[str] = json.loads(text)
    return fields


def decode_value(text: str | None) -> JsonValue:
    """Return the value of a JSON text; None where there is none."""
    value: JsonValue = None if text is None else json.loads(text)
    return value


def decode_cell(text: str | None) -> JsonValue:
    """Return the cell of an allocation as the store has it."""
    return cell_of(decode_value(text))


def event_value(
    kind: int, video_id: int, value: float | None, attribution: JsonValue
) -> JsonValue:
    """Return what a member did; attribution only where it was recorded."""
    event: dict[str, JsonValue] = {
        "kind": EventKind(kind).name.lower(),
        "video_id": video_id,
        "value": value,
    }
    return event if attribution is None else {**event, "attribution": attribution}


def document_value(schema_version: int, body: JsonValue) -> JsonValue:
    """Return a document with its schema version; None where there is none."""
    return None if body is None else {"schema_version": schema_version, "body": body}


def page_value(device: str, context: Mapping[str, JsonValue], page_digest: str) -> JsonValue:
    """Return what tells a logged page from others; None for one that was withdrawn."""
    if not page_digest:
        return None
    return {"device": device, "context": dict(context), "page_digest": page_digest}
