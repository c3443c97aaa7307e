"""Command-line arguments of every page service, besides those of the mesh."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from services.errors import InvalidConfiguration
from services.page.configuration import overlay_owners

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from timetravel.facts.model import JsonValue

OVERLAY_ARGUMENT = "--configuration-overlay"


def add_overlay_argument(parser: argparse.ArgumentParser) -> None:
    """Add the argument that names a file with a configuration overlay."""
    parser.add_argument(
        OVERLAY_ARGUMENT,
        type=Path,
        metavar="FILE",
        help="JSON merge patch (RFC 7396) laid over every configuration document",
    )


def read_overlay(path: Path | None) -> Mapping[str, JsonValue]:
    """Return the overlay in a file; nothing without one.

    Raises:
        InvalidConfiguration: The file is not there, no JSON object, or names no section.
    """
    if path is None:
        return {}
    try:
        overlay = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InvalidConfiguration(
            f"{path} cannot be read as JSON: {error}.",
            remedy="Give a file with one JSON object.",
            field=OVERLAY_ARGUMENT,
        ) from error
    if not isinstance(overlay, dict):
        raise InvalidConfiguration(
            f"{path} holds a {type(overlay).__name__}.",
            remedy='Give one JSON object, e.g. {"dedup": {"policy": "viewport"}}.',
            field=OVERLAY_ARGUMENT,
        )
    overlay_owners(overlay)
    return overlay
