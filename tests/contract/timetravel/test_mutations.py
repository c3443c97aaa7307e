"""A rule of visibility that is wrong in one place is found out, whatever is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest
import sqlalchemy as sa

from tests.support.facts.dirty_facts import SPAN, START, random_batches, seeded
from tests.support.facts.fact_answers import QUESTIONS, fill
from tests.support.facts.ledger_answers import LEDGER_QUESTIONS
from timetravel.ledger import store_ledger as in_store
from timetravel.ledger.store_ledger import StoreLedger
from timetravel.queries import as_of_queries as as_of_questions
from timetravel.queries import logged_pages, visibility
from timetravel.queries.as_of_queries import AsOfQuestions
from timetravel.queries.as_of_reader import AsOfReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy.sql.selectable import FromClause

    from timetravel.queries.visibility import Bounds, Expression
    from timetravel.store import Store

    Rule = Callable[..., Expression]

MOMENTS: Final = list(range(START + 1, START + SPAN, 2))
COSTLY: Final = {"entity_history", "changed_facts"}
"""Asked of one moment, which is enough."""


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


def at_or_after(moment: Expression, since: Expression) -> Expression:
    return moment >= since


HOLDING = {
    *("features", "attributes", "allocations", "catalogue", "catalogue_features", "documents"),
    "profiles",
}
EVENTS = {"history", "engagement"}
IDENTIFIED = EVENTS | {"availability", "logged_pages"}
RESOLVED = HOLDING | IDENTIFIED
EVERYTHING = RESOLVED | {"entity_history", "changed_facts"}
UP_TO_A_MOMENT = RESOLVED - {"logged_pages"} | {"changed_facts"}
WINDOWS = EVENTS | {"changed_facts"}

MUTATIONS: dict[str, tuple[str, Rule, set[str]]] = {
    "drop the retraction check": ("is_not_retracted", anything, HOLDING),
    "drop the assertion check": ("is_asserted", anything, IDENTIFIED),
    "drop the check for later versions": ("speaks_for", anything, RESOLVED),
    "ignore valid_from": ("is_valid", anything, UP_TO_A_MOMENT),
    "ignore known_at": ("is_known", anything, EVERYTHING),
    "ignore the snapshot": ("is_in_snapshot", anything, EVERYTHING),
    "ignore where a window begins": ("is_after", anything, WINDOWS),
    "valid before T, not at it": ("is_valid", valid_strictly_before, UP_TO_A_MOMENT),
    "known before K, not at it": ("is_known", known_strictly_before, EVERYTHING),
    "appended before S, not at it": ("is_in_snapshot", appended_strictly_before, EVERYTHING),
    "windows begin at their first moment": ("is_after", at_or_after, WINDOWS),
    "take T for K": ("is_known", known_by_the_valid_moment, EVERYTHING),
}


@dataclass(frozen=True)
class Expected:
    """What the rule says of the facts of a store, as known by several moments."""

    store: Store
    snapshot: int
    answers: Mapping[int | None, Mapping[str, object]]

    def wrong(self) -> set[str]:
        """Return the questions that the store now answers differently."""
        questions = AsOfQuestions(self.store._engine.dialect)
        wrong: set[str] = set()
        for known_by, answers in self.answers.items():
            connect = self.store._reading
            reader = AsOfReader(connect, questions, snapshot=self.snapshot, known_by=known_by)
            given = ask_everything(reader, StoreLedger(connect, questions, reader))
            wrong |= {name for name, answer in answers.items() if given[name] != answer}
        return wrong


def ask_everything(reader: Any, ledger: Any) -> dict[str, object]:  # noqa: ANN401 - any backend's
    return {name: ask(reader, MOMENTS) for name, ask in QUESTIONS.items()} | {
        name: ask(ledger, MOMENTS[-2:-1] if name in COSTLY else MOMENTS)
        for name, ask in LEDGER_QUESTIONS.items()
    }


@pytest.fixture(scope="module")
def expected(store: Store) -> Expected:
    filled = fill(store, random_batches(seeded(10), batches=8, facts=240))
    snapshot = filled.snapshot(4)
    assert snapshot is not None
    facts = filled.in_memory
    return Expected(
        store,
        snapshot,
        {
            known_by: ask_everything(
                facts.as_of(snapshot, known_by), facts.ledger(snapshot, known_by)
            )
            for known_by in (None, START + SPAN // 2)
        },
    )


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_mutation_of_the_rule_is_caught(
    expected: Expected, monkeypatch: pytest.MonkeyPatch, mutation: str
) -> None:
    rule, mutant, questions = MUTATIONS[mutation]
    for module in (visibility, as_of_questions, logged_pages, in_store):
        if hasattr(module, rule):
            monkeypatch.setattr(module, rule, mutant)
    assert expected.wrong() == questions


def test_the_rule_itself_is_not_caught(expected: Expected) -> None:
    assert expected.wrong() == set()
