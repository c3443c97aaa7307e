"""A rule of visibility that is wrong in one place is found out, whatever is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from tests.dirty_facts import SPAN, START, random_batches, seeded
from tests.fact_answers import QUESTIONS, fill
from timetravel import as_of_questions, visibility
from timetravel.as_of import AsOfReader
from timetravel.as_of_questions import AsOfQuestions

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.sql.selectable import FromClause

    from timetravel.store import Store
    from timetravel.visibility import Bounds, Expression

    Rule = Callable[..., Expression]


def anything(*_: object) -> Expression:
    return sa.true()


def valid_strictly_before(valid_from: Expression, bounds: Bounds) -> Expression:
    return valid_from < bounds.at


def known_strictly_before(version: FromClause, bounds: Bounds) -> Expression:
    return version.c.known_at < bounds.known_by


def appended_strictly_before(version: FromClause, bounds: Bounds) -> Expression:
    return version.c.tx_id < bounds.snapshot


def known_by_the_valid_moment(version: FromClause, bounds: Bounds) -> Expression:
    return version.c.known_at <= bounds.at


HOLDING = {"features", "attributes", "catalogue", "catalogue_features", "documents"}
IDENTIFIED = {"history", "availability"}
EVERYTHING = HOLDING | IDENTIFIED

MUTATIONS: dict[str, tuple[str, Rule, set[str]]] = {
    "drop the retraction check": ("is_not_retracted", anything, HOLDING),
    "drop the assertion check": ("is_asserted", anything, IDENTIFIED),
    "drop the check for later versions": ("speaks_for", anything, EVERYTHING),
    "ignore valid_from": ("is_valid", anything, EVERYTHING),
    "ignore known_at": ("is_known", anything, EVERYTHING),
    "ignore the snapshot": ("is_in_snapshot", anything, EVERYTHING),
    "valid before T, not at it": ("is_valid", valid_strictly_before, EVERYTHING),
    "known before K, not at it": ("is_known", known_strictly_before, EVERYTHING),
    "appended before S, not at it": ("is_in_snapshot", appended_strictly_before, EVERYTHING),
    "take T for K": ("is_known", known_by_the_valid_moment, EVERYTHING),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_mutation_of_the_rule_is_caught(
    store: Store, monkeypatch: pytest.MonkeyPatch, mutation: str
) -> None:
    rule, mutant, questions = MUTATIONS[mutation]
    for module in (visibility, as_of_questions):
        if hasattr(module, rule):
            monkeypatch.setattr(module, rule, mutant)
    assert questions_answered_wrongly(store) == questions


def test_the_rule_itself_is_not_caught(store: Store) -> None:
    assert questions_answered_wrongly(store) == set()


def questions_answered_wrongly(store: Store) -> set[str]:
    filled = fill(store, random_batches(seeded(7), batches=8, facts=200))
    questions = AsOfQuestions(store._engine.dialect)
    snapshot = filled.snapshot(4)
    assert snapshot is not None
    moments = list(range(START, START + SPAN))
    wrong: set[str] = set()
    for known_by in (None, START + SPAN // 2):
        reader: Any = AsOfReader(
            store._reading, questions, snapshot=snapshot, known_by=known_by
        )
        expected = filled.in_memory.as_of(snapshot, known_by)
        wrong |= {
            name
            for name, ask in QUESTIONS.items()
            if ask(reader, moments) != ask(expected, moments)
        }
    return wrong
