"""Editorial rows: hand-picked videos, by numbers or by texts, between dates or always."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.moments import format_moment
from services.in_process import InProcessAssembler
from services.page.model import PageRequests
from tests.support.pages.page_worlds import DAY, END, make_world
from timetravel.facts.external_ids import hash_id
from timetravel.facts.model import EntityKind

if TYPE_CHECKING:
    from services.page.model import AssembledPages
    from timetravel.facts.model import JsonValue

WORLD = make_world(5)
SINCE, UNTIL = END - 4 * DAY, END - 2 * DAY
MOMENTS = (SINCE - 1, SINCE, UNTIL - 1, UNTIL)
EDITORIAL: dict[str, JsonValue] = {
    "type": "editorial",
    "title": "Picked by us",
    "ordering": "given",
    "videos": [1 + 7 * number for number in range(60)],
    "prior": 100.0,
}
DATES: dict[str, JsonValue] = {"since": format_moment(SINCE), "until": format_moment(UNTIL)}


def pages(row: dict[str, JsonValue] | None) -> AssembledPages:
    overlay: dict[str, JsonValue] = {
        "dedup": {"policy": "none", "minimum_row_size": 1},
        "rows": {} if row is None else {"picked": row},
    }
    asked = [(profile, at, "tv") for profile in WORLD.profile_ids for at in MOMENTS]
    assembler = InProcessAssembler(WORLD.reader(), configuration_overlay=overlay)
    return assembler.assemble(PageRequests.of(asked))


def test_a_row_with_dates_is_shown_between_them_alone() -> None:
    dated, always, never = pages(EDITORIAL | DATES), pages(EDITORIAL), pages(None)
    assert not dated.failures
    within = np.tile([False, True, True, False], len(WORLD.profile_ids))
    assert any(np.array(always.digests) != np.array(never.digests))
    expected = np.where(within, always.digests, never.digests)
    assert list(dated.digests) == expected.tolist()


def test_a_pinned_row_without_its_dates_leaves_its_place_to_others() -> None:
    overlay: dict[str, JsonValue] = {
        "rows": {"picked": EDITORIAL | DATES},
        "row_selection": {"pins": {"picked": 0, "continue-watching": 1, "top-picks": 2}},
    }
    asked = [(WORLD.profile_ids[1], at, "tv") for at in MOMENTS]
    assembler = InProcessAssembler(WORLD.reader(), configuration_overlay=overlay)
    made = assembler.assemble(PageRequests.of(asked))
    first = [page.rows[0].row_id == "picked" for page in made.pages()]
    assert first == [False, True, True, False]


def test_videos_picked_by_their_texts_are_those_of_the_numbers_behind_them() -> None:
    world = WORLD.named_by_texts()
    texts = [f"film {1 + 7 * number}" for number in range(60)]
    numbers = [hash_id(EntityKind.VIDEO, text) for text in texts]
    asked = [(profile, END, "tv") for profile in world.profile_ids]

    def assemble(videos: list[JsonValue]) -> AssembledPages:
        overlay: dict[str, JsonValue] = {"rows": {"picked": EDITORIAL | {"videos": videos}}}
        assembler = InProcessAssembler(world.reader(), configuration_overlay=overlay)
        return assembler.assemble(PageRequests.of(asked))

    by_texts = assemble([*texts])
    assert list(by_texts.digests) == list(assemble([*numbers]).digests)
    rows = [row for page in by_texts.pages() for row in page.rows if row.row_id == "picked"]
    assert rows
    for row in rows:
        shown = [video.video_id for video in row.videos]
        assert shown == [number for number in numbers if number in shown]
