"""One page to look at: what is found, how it compares, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from experiments.errors import PageNotFound
from experiments.viewing.page_views import PageViews, find_logged, find_simulated
from services.page.canonical import parse_page
from tests.support.pages.page_worlds import DAY, START

if TYPE_CHECKING:
    from tests.support.pages.simulated_runs import SimulatedRun
    from timetravel.store import Store

PROFILE, ODD_PROFILE = 1000, 1011
"""Of the second control does not equal the logged page."""


def views(run: SimulatedRun, store: Store, profile_id: int, *variants: str) -> PageViews:
    moment, simulated = find_simulated(store, run.directory, profile_id, None, variants)
    logged = find_logged(store, profile_id, moment, run.snapshot)
    return PageViews(moment, run.snapshot, logged.page, simulated, "control").entitled(store)


def test_the_newest_page_is_found_where_no_moment_is_given(
    simulated_run: SimulatedRun, store: Store
) -> None:
    newest = list(store.logged_pages(profile_ids=[PROFILE]))[-1]
    found = find_logged(store, PROFILE, None, simulated_run.snapshot)
    assert (found.moment, found.page) == (newest.shown_at, parse_page(newest.page))
    moment, _ = find_simulated(store, simulated_run.directory, PROFILE, None, ["control"])
    assert moment == newest.shown_at


def test_a_moment_between_two_pages_finds_the_earlier_one(
    simulated_run: SimulatedRun, store: Store
) -> None:
    first, second = store.logged_pages(profile_ids=[PROFILE])
    found = find_logged(store, PROFILE, second.shown_at - 1, simulated_run.snapshot)
    assert found.page == parse_page(first.page)
    before = find_logged(store, PROFILE, first.shown_at - 1, simulated_run.snapshot)
    assert before.page is None


def test_views_say_whose_page_it_is_and_how_the_pages_compare(
    simulated_run: SimulatedRun, store: Store
) -> None:
    same = views(simulated_run, store, PROFILE, "control", "popularity")
    assert same.describe("1000").startswith(f"Profile {PROFILE} at 20")
    assert same.describe("1000").endswith(f"snapshot {simulated_run.snapshot}")
    assert same.sentence.startswith("control equals the logged page, byte for byte.")
    odd = views(simulated_run, store, ODD_PROFILE, "control")
    assert odd.sentence == "control differs from the logged page, byte for byte."


def test_control_is_marked_against_the_logged_page_and_treatments_against_control(
    simulated_run: SimulatedRun, store: Store
) -> None:
    columns = views(simulated_run, store, ODD_PROFILE, "control", "diversity").columns(
        frozenset()
    )
    assert [column.title for column in columns] == ["logged", "control", "diversity"]
    _, control, treatment = columns
    assert control.subtitle.startswith("Against logged: ")
    assert treatment.subtitle.startswith("Against control: ")
    assert all(tile.title.startswith("Title ") for tile in treatment.strips[0].tiles)


def test_a_treatment_by_itself_is_marked_against_the_logged_page(
    simulated_run: SimulatedRun, store: Store
) -> None:
    columns = views(simulated_run, store, PROFILE, "diversity").columns(frozenset())
    assert "logged" in columns[-1].subtitle


def test_views_as_a_document_hold_every_title_in_place(
    simulated_run: SimulatedRun, store: Store
) -> None:
    document = views(simulated_run, store, PROFILE, "control").to_document(store)
    simulated = document["simulated"]
    assert isinstance(simulated, dict)
    assert simulated["control"] == document["logged"]


def test_a_page_that_is_not_there_is_refused_with_those_that_are(
    simulated_run: SimulatedRun, store: Store
) -> None:
    with pytest.raises(PageNotFound, match="No page was logged for profile 5"):
        find_logged(store, 5, None, simulated_run.snapshot)
    with pytest.raises(PageNotFound, match="has no page of profile 5") as refused:
        find_simulated(store, simulated_run.directory, 5, None, ["control"])
    assert str(PROFILE) in refused.value.remedy
    with pytest.raises(PageNotFound, match="Say --at one of: ") as refused:
        find_simulated(store, simulated_run.directory, PROFILE, START + 25 * DAY, ["control"])
    assert refused.value.field == "--at"
