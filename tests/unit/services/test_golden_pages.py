"""Pages of a fixed world, as they have always been."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.in_process import InProcessAssembler
from services.page.model import PageRequests
from tests.support.pages.page_worlds import DAY, START, make_world

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.page.model import Page
    from timetravel.facts.model import JsonValue

SMALL: dict[str, JsonValue] = {
    "geometry": {
        "devices": {"tv": {"rows": 8, "columns": 6, "viewport_rows": 2, "viewport_columns": 4}}
    }
}
POLICIES: dict[str, dict[str, JsonValue]] = {
    "template": {"row_selection": {"policy": "template"}, "dedup": {"policy": "row"}},
    "by-score": {},
    "greedy": {"row_selection": {"policy": "greedy"}, "dedup": {"policy": "viewport"}},
}


def describe(page: Page, digest: str) -> str:
    lines = [f"profile {page.profile_id} on {page.device}: {digest}"]
    for row in page.rows:
        videos = " ".join(str(video.video_id) for video in row.videos)
        lines.append(f"  {row.row_id} | {row.title} | {row.score:.5f} | {videos}")
    return "\n".join(lines)


@pytest.mark.parametrize("name", POLICIES)
def test_pages_are_as_they_have_always_been(
    name: str, golden: Callable[[str, str], None]
) -> None:
    world = make_world(2019)
    assembler = InProcessAssembler(world.reader(), configuration_overlay=SMALL | POLICIES[name])
    pages = assembler.assemble(
        PageRequests.of(
            [(profile_id, START + 24 * DAY, "tv") for profile_id in world.profile_ids]
        )
    )
    described = [
        describe(page, digest)
        for page, digest in zip(pages.pages(), pages.digests, strict=True)
    ]
    golden(f"pages/{name}.txt", "\n".join(described) + "\n")
