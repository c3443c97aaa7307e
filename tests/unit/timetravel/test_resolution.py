"""The rule of visibility, example by example.

Moments are small integers here; T is when one looks, K by when it must have been known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.oracle.in_memory import InMemoryFacts
from timetravel.facts.model import (
    AttributeFact,
    AvailabilityFact,
    DocumentFact,
    EntityKind,
    EventFact,
    EventKind,
    Op,
)

if TYPE_CHECKING:
    from tests.oracle.in_memory_reader import InMemoryReader
    from timetravel.facts.model import Fact, JsonValue


def plan(valid_from: int, known_at: int, value: JsonValue, op: Op = Op.ASSERT) -> AttributeFact:
    return AttributeFact(EntityKind.PROFILE, 1, "plan", valid_from, known_at, value, op)


def play(
    event_id: str, event_at: int, known_at: int, *, video_id: int = 7, op: Op = Op.ASSERT
) -> EventFact:
    return EventFact(event_id, 1, event_at, EventKind.PLAY, video_id, 0.5, known_at, op)


def licence(valid_from: int, valid_to: int, known_at: int, op: Op = Op.ASSERT) -> list[Fact]:
    return [
        AttributeFact(EntityKind.VIDEO, 7, "title", 0, 0, "Alien"),
        AvailabilityFact("window", 7, "US", valid_from, valid_to, known_at, op),
    ]


def facts(*batches: list[Fact]) -> InMemoryFacts:
    kept = InMemoryFacts()
    for batch in batches:
        kept.append(batch)
    return kept


def plan_at(reader: InMemoryReader, at: int) -> JsonValue:
    return reader.attributes(EntityKind.PROFILE, [1], at, ["plan"]).columns["plan"][0]


def plays_at(reader: InMemoryReader, at: int) -> list[int]:
    video_ids: list[int] = reader.history([1], at).video_ids.tolist()
    return video_ids


def licensed_at(reader: InMemoryReader, at: int) -> bool:
    return reader.availability(at).available.any().item()


def test_a_fact_holds_until_the_next_one() -> None:
    reader = facts([plan(10, 10, "basic"), plan(20, 20, "premium")]).as_of()
    assert [plan_at(reader, at) for at in (9, 10, 19, 20, 99)] == [
        None,
        "basic",
        "basic",
        "premium",
        "premium",
    ]


def test_a_late_fact_is_not_visible_before_it_was_known() -> None:
    kept = facts([plan(10, 10, "basic"), plan(20, 50, "premium")])
    assert [plan_at(kept.as_of(), at) for at in (20, 49, 50)] == ["basic", "basic", "premium"]
    assert plan_at(kept.as_of(known_by=50), 20) == "premium"


def test_a_correction_replaces_a_fact_from_when_it_was_known() -> None:
    kept = facts([plan(10, 10, "basic"), plan(10, 30, "family")])
    assert [plan_at(kept.as_of(), at) for at in (29, 30)] == ["basic", "family"]
    assert plan_at(kept.as_of(known_by=99), 10) == "family"


def test_a_back_dated_fact_counts_from_the_moment_it_claims() -> None:
    kept = facts([plan(10, 10, "basic")], [plan(20, 15, "premium")])
    assert plan_at(kept.as_of(), 20) == "premium"
    assert plan_at(kept.as_of(snapshot=1), 20) == "basic"


def test_a_retraction_falls_through_to_the_version_before() -> None:
    kept = facts(
        [plan(10, 10, "basic"), plan(20, 20, "premium"), plan(20, 30, None, Op.RETRACT)]
    )
    assert [plan_at(kept.as_of(), at) for at in (20, 29, 30)] == ["premium", "premium", "basic"]


def test_a_retraction_can_itself_be_corrected() -> None:
    kept = facts(
        [plan(10, 10, "basic"), plan(10, 20, None, Op.RETRACT), plan(10, 30, "family")]
    )
    assert [plan_at(kept.as_of(), at) for at in (19, 20, 30)] == ["basic", None, "family"]


def test_what_is_absent_does_not_fall_through() -> None:
    kept = facts([plan(10, 10, "basic"), plan(20, 20, None, Op.ABSENT)])
    assert [plan_at(kept.as_of(), at) for at in (19, 20)] == ["basic", None]


def test_of_two_facts_known_at_one_moment_the_later_appended_speaks() -> None:
    kept = facts([plan(10, 10, "basic")], [plan(10, 10, "family")])
    assert plan_at(kept.as_of(), 10) == "family"
    assert plan_at(kept.as_of(snapshot=1), 10) == "basic"


def test_a_repeated_fact_changes_nothing() -> None:
    kept = facts([plan(10, 10, "basic")], [plan(10, 20, "family")], [plan(10, 10, "basic")])
    assert plan_at(kept.as_of(), 20) == "family"


def test_history_comes_newest_first_and_ties_by_descending_event_id() -> None:
    events: list[Fact] = [play("a", 5, 5, video_id=1), play("c", 9, 9, video_id=3)]
    kept = facts([*events, play("b", 5, 5, video_id=2)])
    assert plays_at(kept.as_of(), 9) == [3, 2, 1]


@pytest.mark.parametrize("op", [Op.RETRACT, Op.ABSENT])
def test_an_event_that_is_taken_back_never_happened(op: Op) -> None:
    kept = facts([play("a", 5, 5), play("a", 5, 8, op=op)])
    assert [plays_at(kept.as_of(), at) for at in (7, 8)] == [[7], []]


def test_a_correction_may_move_an_event() -> None:
    kept = facts([play("a", 5, 5), play("a", 20, 8)])
    assert [plays_at(kept.as_of(), at) for at in (7, 8, 19, 20)] == [[7], [], [], [7]]


def test_a_licence_ends_at_its_end() -> None:
    kept = facts(licence(10, 20, 0))
    assert [licensed_at(kept.as_of(), at) for at in (9, 10, 19, 20)] == [
        False,
        True,
        True,
        False,
    ]


def test_a_corrected_licence_counts_from_when_the_correction_was_known() -> None:
    kept = facts(licence(10, 20, 0), licence(10, 15, 12))
    assert [licensed_at(kept.as_of(), at) for at in (11, 14, 15)] == [True, True, False]
    assert licensed_at(kept.as_of(snapshot=1), 15)


def test_a_document_is_read_as_it_stood() -> None:
    first = DocumentFact("configuration", "homepage", 0, 0, 1, {"rows": 1})
    second = DocumentFact("configuration", "homepage", 10, 15, 2, {"rows": 2})
    reader = facts([first, second]).as_of()
    versions = [reader.document("configuration", "homepage", at) for at in (14, 15)]
    assert [version.schema_version for version in versions] == [1, 2]
    assert [version.unchanged_until for version in versions] == [15, None]
