"""Pages read back from disk are the pages that were made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.generation.external_ids import PageIds
from experiments.generation.stored_pages import add_titles, read_logged, read_simulated
from services.page.canonical import parse_page

if TYPE_CHECKING:
    from tests.support.pages.simulated_runs import SimulatedRun
    from timetravel.store import Store


def test_a_simulated_page_equals_the_logged_one_to_the_last_bit_of_its_scores(
    simulated_run: SimulatedRun, store: Store
) -> None:
    logged = next(iter(store.logged_pages()))
    page_id = PageIds.by_numbers().one(logged.profile_id, logged.shown_at)
    pages = read_simulated(simulated_run.directory, "control", [page_id])
    assert pages == {page_id: parse_page(logged.page)}


def test_a_page_that_nobody_made_is_not_found(
    simulated_run: SimulatedRun, store: Store
) -> None:
    assert read_simulated(simulated_run.directory, "control", ["1@nothing"]) == {}
    assert read_logged(store, 1, 0, simulated_run.snapshot) is None


def test_titles_are_those_known_at_the_as_of(store: Store) -> None:
    logged = next(iter(store.logged_pages()))
    page = parse_page(logged.page)
    entitled = add_titles(store, store.as_of(), [page])[0]
    video = entitled.rows[0].videos[0]
    assert video.title == f"Title {video.video_id}"
    assert page.rows[0].videos[0].title == ""
