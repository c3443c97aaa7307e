"""The names that facts stand under, as every database lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.facts.fact_answers import fill
from timetravel.facts.model import AllocationFact, AttributeFact, DocumentFact, EntityKind, Op

if TYPE_CHECKING:
    from timetravel.store import Store


def country(profile: int, known_at: int) -> AttributeFact:
    return AttributeFact(EntityKind.PROFILE, profile, "country", 0, known_at, "FR")


def model(name: str) -> DocumentFact:
    return DocumentFact("model", name, 0, 0, 1, {})


def test_names_are_those_of_one_kind_or_collection_each_once_and_sorted(store: Store) -> None:
    fill(
        store,
        [
            [
                AttributeFact(EntityKind.PROFILE, 1, "plan", 0, 0, "basic"),
                country(1, 0),
                country(1, 5),
                country(2, 0),
                AttributeFact(EntityKind.VIDEO, 1, "title", 0, 0, "Alien"),
                model("popularity"),
                model("personal"),
                DocumentFact("configuration", "homepage", 0, 0, 1, {}),
            ]
        ],
    )
    newest = store.snapshot()
    assert store.attribute_names(EntityKind.PROFILE, newest) == ("country", "plan")
    assert store.attribute_names(EntityKind.VIDEO, newest) == ("title",)
    assert store.document_names("model", newest) == ("personal", "popularity")
    assert store.document_names("row", newest) == ()


def test_names_that_came_after_a_snapshot_are_not_among_its_own(store: Store) -> None:
    fill(store, [[country(1, 0)]])
    before = store.snapshot()
    with store.begin(0) as writer:
        later = AttributeFact(EntityKind.PROFILE, 1, "plan", 0, 0, "basic")
        writer.append([later, model("personal")], source="test", synthetic=False)
    assert store.attribute_names(EntityKind.PROFILE, before) == ("country",)
    assert store.document_names("model", before) == ()


def test_a_name_stays_when_what_stood_under_it_is_withdrawn(store: Store) -> None:
    fill(store, [[country(1, 0)]])
    with store.begin(0) as writer:
        gone = AttributeFact(EntityKind.PROFILE, 1, "country", 0, 9, None, Op.RETRACT)
        writer.append([gone], source="test", synthetic=False)
    assert store.attribute_names(EntityKind.PROFILE, store.snapshot()) == ("country",)


def test_allocations_are_no_attributes(store: Store) -> None:
    fill(store, [[country(1, 0), AllocationFact(1, "rows", 0, 0, "B")]])
    assert store.attribute_names(EntityKind.PROFILE, store.snapshot()) == ("country",)
