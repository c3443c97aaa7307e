"""Events belong to the page that they followed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.moments import EARLIEST_MICROS
from timetravel.errors import InvalidQuestion
from timetravel.facts.model import Attribution, EventFact, EventKind, LoggedPageFact
from timetravel.reading.engagement import (
    DAY_MICROS,
    NO_PAGE,
    attribute_events,
    check_horizon,
)

if TYPE_CHECKING:
    from core.arrays import Int64Array
    from timetravel.facts.model import Fact
    from timetravel.store import Store

owned_moments = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 12)), max_size=12)


def columns(pairs: list[tuple[int, int]]) -> tuple[Int64Array, Int64Array]:
    owners, moments = zip(*pairs, strict=True) if pairs else ((), ())
    return np.array(owners, np.int64), np.array(moments, np.int64)


@given(events=owned_moments, pages=owned_moments, horizon=st.integers(0, 6))
def test_an_event_belongs_to_the_last_page_before_it_unless_that_is_long_ago(
    events: list[tuple[int, int]], pages: list[tuple[int, int]], horizon: int
) -> None:
    pages = list(dict.fromkeys(pages))
    found = attribute_events(*columns(events), *columns(pages), horizon_micros=horizon).tolist()
    for (owner, at), place in zip(events, found, strict=True):
        before = [
            (shown_at, number)
            for number, (other, shown_at) in enumerate(pages)
            if other == owner and shown_at < at <= shown_at + horizon
        ]
        assert place == (max(before)[1] if before else NO_PAGE)


def page(shown_at: int, *, known_at: int | None = None) -> LoggedPageFact:
    known = shown_at if known_at is None else known_at
    return LoggedPageFact(1, shown_at, known, "tv", {}, b"page", "digest")


def play(event_id: str, at: int, attribution: Attribution | None = None) -> EventFact:
    return EventFact(event_id, 1, at, EventKind.PLAY, 7, 1.0, at, attribution=attribution)


def append(store: Store, *facts: Fact) -> None:
    with store.begin(0) as writer:
        writer.append(facts, source="live", synthetic=False)


def test_what_was_recorded_comes_before_what_is_guessed(store: Store) -> None:
    recorded = Attribution(100, "popular", 3)
    append(store, page(100), page(200), play("a", 250, recorded), play("b", 260))
    rows = store.ledger().engagement([1], 300)
    assert rows.shown_at.tolist() == [200, 100]
    assert rows.row_ids == [None, "popular"]
    assert rows.positions.tolist() == [-1, 3]


def test_a_page_that_was_withdrawn_takes_no_event(store: Store) -> None:
    append(
        store,
        page(100),
        page(200),
        play("a", 250, Attribution(200, "popular", 0)),
        LoggedPageFact.withdraw(1, 200, 260),
    )
    before, after = (store.ledger().engagement([1], at, None, (), 1000) for at in (255, 265))
    assert before.shown_at.tolist() == [200]
    assert after.shown_at.tolist() == [100]
    assert after.row_ids == [None]


def test_a_page_that_became_known_late_counts_from_then_on(store: Store) -> None:
    append(store, page(100, known_at=300), play("a", 150))
    assert store.ledger().engagement([1], 299).shown_at.tolist() == [EARLIEST_MICROS]
    late = store.ledger().engagement([1], 300)
    assert late.shown_at.tolist() == [100]
    assert late.events.newest_known_at.tolist() == [300]


def test_without_a_horizon_it_is_a_day() -> None:
    assert check_horizon(0) == DAY_MICROS
    assert check_horizon(5) == 5
    with pytest.raises(InvalidQuestion, match="lies in the past"):
        check_horizon(-1)
