"""Whose pages are made next."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from experiments.server.fair_shares import FairShares

if TYPE_CHECKING:
    from collections.abc import Mapping


def serve(shares: FairShares, sizes: Mapping[str, int], turns: int) -> Counter[str]:
    """Give turns to whom is chosen; return the pages that each was served."""
    served: Counter[str] = Counter()
    shares.set_present(sizes)
    for _ in range(turns):
        chosen = shares.choose(dict.fromkeys(sizes, 0))
        assert chosen is not None
        shares.note_served(chosen, sizes[chosen])
        served[chosen] += sizes[chosen]
    return served


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 5_000), min_size=1),
    st.integers(1, 200),
)
def test_no_two_are_ever_further_apart_than_the_largest_turn(
    sizes: dict[str, int], turns: int
) -> None:
    served = serve(FairShares(), sizes, turns)
    counts = [served[name] for name in sizes]
    assert max(counts) - min(counts) <= max(sizes.values())


def test_one_that_comes_later_neither_waits_nor_makes_up_for_the_time_before() -> None:
    shares = FairShares()
    serve(shares, {"a": 100, "b": 100}, 40)
    assert serve(shares, {"a": 100, "b": 100, "c": 100}, 30) == {
        "a": 1000,
        "b": 1000,
        "c": 1000,
    }


def test_one_without_a_stack_comes_before_one_with_stacks() -> None:
    shares = FairShares()
    shares.set_present(["a", "b"])
    shares.note_served("b", 500)
    assert shares.choose({"a": 1, "b": 0}) == "b"
    assert shares.choose({"a": 1, "b": 1}) == "a"
    assert shares.choose({}) is None


def test_one_is_ahead_of_those_who_were_served_less() -> None:
    shares = FairShares()
    shares.set_present(["a", "b"])
    assert not shares.is_ahead("a", ["b"])
    shares.note_served("a", 1)
    assert shares.is_ahead("a", ["b"])
    assert not shares.is_ahead("b", ["a"])
    assert not shares.is_ahead("a", [])
