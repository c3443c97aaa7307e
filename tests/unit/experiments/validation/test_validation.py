"""Validation: which pages and values are not as logged, where they depart, and what is told."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from core.moments import LAST_MICROS
from experiments.generation.outages import Patience, StackHealth
from experiments.validation.errors import InvalidValidation, NothingLogged
from experiments.validation.fidelity_report import render_outcome
from experiments.validation.outcome import summarise
from experiments.validation.pages import Stage, first_difference
from experiments.validation.validate import (
    ValidationScope,
    choose_logged_pages,
    validate_pages,
)
from services.in_process import InProcessAssembler
from services.page.canonical import parse_page
from services.page.model import Geometry, Page
from tests.support.pages.page_worlds import DAY, START

if TYPE_CHECKING:
    from experiments.validation.outcome import ValidationOutcome
    from tests.support.pages.simulated_runs import SimulatedRun
    from timetravel.facts.model import EntityKind
    from timetravel.store import Store

PAGES, ODD_PAGES = 24, 2
"""All logged pages, and those of the profile that was shown another configuration."""


def validate(store: Store, snapshot: int, known_by: int | None = None) -> ValidationOutcome:
    scope = ValidationScope(snapshot=snapshot, known_by_micros=known_by)
    reader = store.as_of(snapshot, known_by)
    chosen = choose_logged_pages(store, scope)
    undisturbed = Patience(StackHealth)
    return validate_pages(store, scope, chosen, InProcessAssembler(reader), reader, undisturbed)


@pytest.fixture(scope="module")
def outcome(simulated_run: SimulatedRun, store: Store) -> ValidationOutcome:
    return validate(store, simulated_run.snapshot)


@pytest.fixture(scope="module")
def misread(simulated_run: SimulatedRun, store: Store) -> ValidationOutcome:
    """What comes of reading facts as they were known early on."""
    return validate(store, simulated_run.snapshot, START + 5 * DAY)


def as_numbered(_kind: EntityKind, entity_id: int) -> int:
    return entity_id


def told(outcome: ValidationOutcome, width: int = 100) -> str:
    output = io.StringIO()
    Console(file=output, width=width, _environ={}).print(render_outcome(outcome, as_numbered))
    return output.getvalue()


def page(store: Store) -> Page:
    return parse_page(next(iter(store.logged_pages())).page)


def test_pages_that_differ_are_counted_and_named(
    outcome: ValidationOutcome, store: Store
) -> None:
    assert len(outcome.checks) == PAGES
    assert outcome.identical_pages == PAGES - ODD_PAGES
    odd_one = max(logged.profile_id for logged in store.logged_pages())
    different = [check for check in outcome.checks if not check.is_identical]
    assert {check.profile_id for check in different} == {odd_one}
    assert sum(outcome.differences.values()) == ODD_PAGES
    assert not outcome.passes
    text = told(outcome)
    assert "91.67 %" in text
    assert different[0].page_id in text
    assert "Below the threshold of 100.00 %." in text


def test_a_lower_threshold_is_passed(outcome: ValidationOutcome) -> None:
    lenient = replace(outcome, threshold=0.9)
    assert lenient.passes
    assert "The simulation is the live system" in told(lenient)


def test_every_logged_value_is_read_back_at_the_moment_of_its_page(
    outcome: ValidationOutcome,
) -> None:
    assert outcome.values > 0
    assert outcome.value_share == 1
    assert outcome.mismatches == ()
    assert "not read back" not in told(outcome)


def test_values_that_differ_are_counted_and_the_first_of_them_is_named(
    misread: ValidationOutcome,
) -> None:
    assert misread.value_share is not None
    assert misread.value_share < 1
    assert len(misread.mismatches) == misread.values - misread.identical_values
    moments = [own.shown_at for own in misread.mismatches]
    assert moments == sorted(moments)
    first = misread.mismatches[0]
    text = " ".join(told(misread).split())
    assert f"on {misread.pages_with_mismatches} of {PAGES} pages" in text
    assert f"First: {first.group}.{first.field} of {first.entity_id}, on the page of" in text
    assert f"logged {first.logged:.9g}" in text
    assert "what differs is what such a reading would have leaked or missed" in text


def test_groups_name_the_fields_that_differ_most_and_count_the_others(
    misread: ValidationOutcome,
) -> None:
    text = " ".join(told(misread, 200).split())
    differing = {field.field for field in misread.fields if field.identical < field.values}
    assert len(differing) > 3
    assert " more" in text
    worst = min(misread.fields, key=lambda field: field.share)
    assert worst.field in text


def test_the_outcome_as_json_holds_the_same(misread: ValidationOutcome) -> None:
    document = summarise(misread, as_numbered)
    assert document["passes"] is False
    assert document["pages"] == PAGES
    assert document["identical_values"] == misread.identical_values
    assert document["pages_with_mismatches"] == misread.pages_with_mismatches
    mismatches = document["mismatches"]
    assert isinstance(mismatches, list)
    assert len(mismatches) <= 20


def test_later_knowledge_is_never_mistaken_for_what_was_known(
    simulated_run: SimulatedRun, store: Store
) -> None:
    now = validate(store, simulated_run.snapshot, LAST_MICROS)
    assert "as known now" in told(now)
    assert now.known_by_micros == LAST_MICROS


def test_where_a_page_first_departs_is_named_in_the_order_of_cause(store: Store) -> None:
    logged = page(store)
    rows = logged.rows
    changed = {
        Stage.FAILED: None,
        Stage.REQUEST: replace(logged, geometry=Geometry(40, 40, 1, 1)),
        Stage.ROWS: replace(logged, rows=rows[1:]),
        Stage.ORDER: replace(logged, rows=(rows[1], rows[0], *rows[2:])),
        Stage.VIDEOS: replace(
            logged, rows=(replace(rows[0], videos=rows[0].videos[::-1]), *rows[1:])
        ),
        Stage.LABELS: replace(logged, rows=(replace(rows[0], title="Other"), *rows[1:])),
        Stage.SCORES: replace(logged, rows=(replace(rows[0], score=1e9), *rows[1:])),
    }
    assert first_difference(logged, logged) is None
    for stage, simulated in changed.items():
        assert first_difference(simulated, logged) is stage


def test_a_share_is_never_rounded_up_to_all_of_it(outcome: ValidationOutcome) -> None:
    same = [check for check in outcome.checks if check.is_identical]
    different = [check for check in outcome.checks if not check.is_identical]
    many = replace(outcome, checks=(*same * 2_000, *different[:1]))
    assert "under 100 %" in told(many)


def test_profiles_are_drawn_alike_by_one_seed_and_otherwise_by_another(
    simulated_run: SimulatedRun, store: Store
) -> None:
    def draw(seed: int) -> tuple[int, ...]:
        scope = ValidationScope(simulated_run.snapshot, profiles=3, seed=seed)
        drawn = choose_logged_pages(store, scope).profile_ids
        assert drawn is not None
        return tuple(drawn.tolist())

    assert draw(1) == draw(1)
    assert len({draw(seed) for seed in range(8)}) > 1


def test_a_window_without_pages_and_one_that_ends_before_it_begins_are_refused(
    simulated_run: SimulatedRun, store: Store
) -> None:
    with pytest.raises(NothingLogged, match="holds no logged page in the window"):
        choose_logged_pages(store, ValidationScope(simulated_run.snapshot, until=START))
    with pytest.raises(InvalidValidation, match="ends before it begins"):
        ValidationScope(simulated_run.snapshot, since=START, until=START)
