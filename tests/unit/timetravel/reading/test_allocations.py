"""A/B allocations are facts of their own kind, kept where attributes are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from timetravel.errors import InvalidFact, InvalidQuestion
from timetravel.facts.model import AllocationFact, AttributeFact, EntityKind, Op
from timetravel.reading.allocations import allocated_test, allocation_name, read_allocations

if TYPE_CHECKING:
    from timetravel.facts.model import Fact
    from timetravel.store import Store


def append(store: Store, *facts: Fact) -> None:
    with store.begin(0) as writer:
        writer.append(facts, source="test", synthetic=False)


def test_in_no_cell_differs_from_nothing_known(store: Store) -> None:
    append(
        store,
        AllocationFact(1, "artwork", 5, 5, "B"),
        AllocationFact(2, "artwork", 5, 5, None),
        AllocationFact(3, "artwork", 5, 5, "A"),
        AllocationFact(3, "artwork", 7, 8, None, Op.ABSENT),
    )
    rows = read_allocations(store.as_of(), [1, 2, 3, 3, 4], [9, 9, 7, 9, 9], ["artwork"])
    assert rows.cells == {"artwork": ["B", None, "A", None, None]}
    assert rows.is_known["artwork"].tolist() == [True, True, True, False, False]
    assert rows.newest_known_at[:4].tolist() == [5, 5, 5, 8]


def test_attributes_and_allocations_keep_out_of_each_others_way(store: Store) -> None:
    append(
        store,
        AttributeFact(EntityKind.PROFILE, 1, "artwork", 0, 0, "mine"),
        AllocationFact(1, "artwork", 0, 0, "B"),
    )
    reader = store.as_of()
    attributes = reader.attributes(EntityKind.PROFILE, [1], 0, ["artwork"])
    assert attributes.columns == {"artwork": ["mine"]}
    assert read_allocations(reader, [1], 0, ["artwork"]).cells == {"artwork": ["B"]}
    assert store.count_facts()["attributes"] == 1
    assert store.count_facts()["allocations"] == 1


def test_no_attribute_may_be_named_like_an_allocation() -> None:
    with pytest.raises(InvalidFact, match="AllocationFact"):
        AttributeFact(EntityKind.PROFILE, 1, allocation_name("artwork"), 0, 0, "B")


def test_a_test_is_asked_for_once(store: Store) -> None:
    with pytest.raises(InvalidQuestion, match="twice"):
        read_allocations(store.as_of(), [1], 0, ["artwork", "artwork"])


@pytest.mark.parametrize("test", ["artwork", "a/b", "allocation/"])
def test_names_lead_back_to_their_tests(test: str) -> None:
    assert allocated_test(allocation_name(test)) == test
    assert allocated_test(test) == ("" if test == "allocation/" else None)
