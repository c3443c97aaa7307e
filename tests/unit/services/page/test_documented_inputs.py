"""docs/ingest.md and ingest know every attribute that pages are made from."""

from __future__ import annotations

import re
from pathlib import Path

from services.page.inputs import PROFILE_ATTRIBUTES, VIDEO_ATTRIBUTES
from timetravel.facts.meanings import MEANINGS
from timetravel.facts.model import EntityKind

PAGE = (Path(__file__).parents[4] / "docs" / "ingest.md").read_text()


def documented(kind: str) -> set[str]:
    rows = re.findall(rf"^\| {kind} \| ([^|]*) \|", PAGE, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


def test_the_attributes_that_pages_read_are_those_documented() -> None:
    assert documented("profile") == set(PROFILE_ATTRIBUTES)
    assert documented("video") == set(VIDEO_ATTRIBUTES)


def test_the_attributes_that_ingest_converts_are_those_that_pages_read() -> None:
    known = {(EntityKind.PROFILE, name) for name in PROFILE_ATTRIBUTES}
    known |= {(EntityKind.VIDEO, name) for name in VIDEO_ATTRIBUTES}
    assert set(MEANINGS) == known
