"""Checks variants' configurations against what the services accept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import ValidationError

from experiments.documents.mistakes import Mistake
from experiments.documents.model_paths import keys_at
from experiments.documents.wording import describe_error, describe_unknown_key
from services.page.configuration import SECTION_OWNERS, PageConfiguration, apply_overlay
from services.page.inputs import CONFIGURATION_COLLECTION
from services.page.production import production_documents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.documents.mistakes import Path
    from timetravel.facts.model import JsonValue


def default_configuration() -> Mapping[str, JsonValue]:
    """Return the configuration that production starts with."""
    (body,) = (
        document.body
        for document in production_documents()
        if document.collection == CONFIGURATION_COLLECTION
    )
    return body


def find_overlay_mistakes(
    overlay: Mapping[str, JsonValue], production: Mapping[str, JsonValue]
) -> Iterator[Mistake]:
    """Yield what the services would refuse in an overlay.

    Args:
        overlay: What a variant lays over the configuration.
        production: The configuration that it is laid over.
    """
    for section in overlay:
        if section not in SECTION_OWNERS:
            yield describe_unknown_key((section,), tuple(SECTION_OWNERS))
    known = {name: value for name, value in overlay.items() if name in SECTION_OWNERS}
    removals = set(_removals(known))
    for path in sorted(removals):
        # Removing what is not there changes nothing, and so would hide a misspelt key.
        keys = keys_at(PageConfiguration, path[:-1])
        if keys and path[-1] not in keys:
            yield describe_unknown_key(path, keys)
    try:
        PageConfiguration.model_validate_json(json.dumps(apply_overlay(production, known)))
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            if fault["type"] == "missing" and fault["loc"] in removals:
                yield Mistake(
                    fault["loc"],
                    "null removes this key, without which no page can be made.",
                    "Write what to change in it, or leave it out.",
                )
            else:
                yield describe_error(fault, PageConfiguration)


def _removals(overlay: Mapping[str, JsonValue], path: Path = ()) -> Iterator[Path]:
    for key, value in overlay.items():
        if value is None:
            yield (*path, key)
        elif isinstance(value, Mapping):
            yield from _removals(value, (*path, key))
