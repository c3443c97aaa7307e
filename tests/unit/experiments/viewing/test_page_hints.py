"""A page of nobody, or of no time, is refused in words before anything starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from core.moments import LAST_MICROS, format_moment
from experiments.errors import PageNotFound
from experiments.viewing.page_hints import check_profile, explaining_window
from services.errors import NothingToShow
from tests.support.pages.page_worlds import DAY, START

if TYPE_CHECKING:
    from tests.support.pages.simulated_runs import SimulatedRun
    from timetravel.store import Store

NOBODY = 999_999


def moments_of(store: Store, profile_id: int | None = None) -> list[int]:
    chosen = None if profile_id is None else [profile_id]
    return [page.shown_at for page in store.logged_pages(profile_ids=chosen)]


def test_a_profile_known_at_the_moment_is_fine(
    simulated_run: SimulatedRun, store: Store
) -> None:
    check_profile(store, 1000, moments_of(store, 1000)[0], simulated_run.snapshot)
    check_profile(store, 1000, LAST_MICROS, simulated_run.snapshot)


def test_a_profile_that_nobody_knows_is_refused_with_some_that_there_are(
    simulated_run: SimulatedRun, store: Store
) -> None:
    with pytest.raises(PageNotFound) as refused:
        check_profile(store, NOBODY, LAST_MICROS, simulated_run.snapshot)
    assert f"The store knows no profile {NOBODY}." in str(refused.value)
    assert "e.g. 1000, 1001, " in refused.value.remedy


def test_a_moment_before_a_profile_was_known_is_refused_with_its_first_page(
    simulated_run: SimulatedRun, store: Store
) -> None:
    with pytest.raises(PageNotFound) as refused:
        check_profile(store, 1000, START - DAY, simulated_run.snapshot)
    assert f"is not known at {format_moment(START - DAY)}" in str(refused.value)
    assert format_moment(moments_of(store, 1000)[0]) in refused.value.remedy


def test_a_page_later_than_all_that_was_lived_fails_with_how_far_that_goes(
    simulated_run: SimulatedRun, store: Store
) -> None:
    late = START + 400 * DAY
    with (
        pytest.raises(PageNotFound) as refused,
        explaining_window(store, late, simulated_run.snapshot),
    ):
        raise NothingToShow("Not a single row is left.", remedy="Look at licences.")
    assert "Not a single row is left." in str(refused.value)
    assert format_moment(moments_of(store)[-1]) in str(refused.value)


def test_a_page_that_fails_within_what_was_lived_keeps_its_own_reason(
    simulated_run: SimulatedRun, store: Store
) -> None:
    moment = moments_of(store)[0]
    with (
        pytest.raises(NothingToShow, match="Look at licences"),
        explaining_window(store, moment, simulated_run.snapshot),
    ):
        raise NothingToShow("Not a single row is left.", remedy="Look at licences.")
