"""Spans swept over time agree with the rule, asked moment by moment."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from tests.oracle.resolution import Recorded, View, visible_licences, visible_version
from timetravel.facts.model import AttributeFact, AvailabilityFact, EntityKind, Op
from timetravel.ledger.spans import Times, spans_of_holding, spans_of_identified

if TYPE_CHECKING:
    from timetravel.ledger.spans import Spans

EVERYTHING = 10**9
LAST = 9
moment = st.integers(0, LAST)
known_bys = st.none() | moment


@st.composite
def versions(draw: st.DrawFn) -> list[Times]:
    """Return versions of one key, in any order; transactions are told apart."""
    made = [
        Times(begin, begin + draw(st.integers(1, 5)), draw(moment), tx_id, op)
        for tx_id, (begin, op) in enumerate(
            draw(st.lists(st.tuples(moment, st.sampled_from(Op)), max_size=8))
        )
    ]
    return draw(st.permutations(made))


def seen(versions: list[Times], spans: Spans, at: int) -> list[int]:
    return [
        version.tx_id
        for version, own in zip(versions, spans, strict=True)
        if any(span.holds(at) for span in own)
    ]


@given(versions=versions(), known_by=known_bys)
def test_what_holds_is_seen_when_the_rule_says(
    versions: list[Times], known_by: int | None
) -> None:
    spans = spans_of_holding(versions, known_by)
    recorded = [
        Recorded(
            AttributeFact(EntityKind.VIDEO, 1, "a", one.valid_from, one.known_at, None, one.op),
            one.tx_id,
        )
        for one in versions
    ]
    for at in range(-1, LAST + 7):
        visible = visible_version(recorded, at, View(EVERYTHING, known_by))
        assert seen(versions, spans, at) == ([visible.tx_id] if visible else [])


@given(versions=versions(), known_by=known_bys)
def test_what_has_an_id_is_seen_when_the_rule_says(
    versions: list[Times], known_by: int | None
) -> None:
    spans = spans_of_identified(versions, known_by)
    recorded = [
        Recorded(
            AvailabilityFact(
                "w", 1, "US", one.valid_from, one.valid_to or 0, one.known_at, one.op
            ),
            one.tx_id,
        )
        for one in versions
    ]
    for at in range(-1, LAST + 7):
        visible = visible_licences(recorded, at, View(EVERYTHING, known_by))
        assert seen(versions, spans, at) == [one.tx_id for one in visible]


@given(versions=versions(), known_by=known_bys)
def test_spans_ascend_without_touching(versions: list[Times], known_by: int | None) -> None:
    for own in spans_of_holding(versions, known_by):
        for before, after in itertools.pairwise(own):
            assert before.until is not None
            assert before.until < after.since
