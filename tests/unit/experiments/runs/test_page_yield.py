"""Page yield: judged per variant and per partition, once enough pages were tried."""

from __future__ import annotations

from collections import Counter

import pytest

from experiments.errors import LowPageYield
from experiments.generation.partitions import Partition, plan_partitions, plan_slices
from experiments.runs.page_yield import PageYield
from experiments.spec import Variant
from tests.support.pages.page_keys import keys_of

MINIMUM = 0.95
BROKEN = "FAILED_PRECONDITION: The model is not there."

Tried = tuple[int, int, int, int]
"""Variant, partition, pages tried, and how many of them failed."""


def plan(variants: int, slices: int, pages: int) -> dict[tuple[int, int], Partition]:
    """Return partitions of so many pages each, by variant and slice."""
    keys = keys_of((number, 1, "tv") for number in range(slices * pages))
    made = plan_partitions(
        plan_slices(keys, slices, 512), [Variant(f"v{one}") for one in range(variants)]
    )
    return {
        (int(partition.variant.name[1:]), int(partition.partition_id)): partition
        for partition in made
    }


def judge(partitions: dict[tuple[int, int], Partition], tried: list[Tried]) -> str:
    """Return what is said against the yield; empty if nothing is."""
    page_yield = PageYield(partitions.values(), MINIMUM)
    try:
        for variant, number, pages, failed in tried:
            page_yield.count(partitions[variant, number], pages, Counter({BROKEN: failed}))
    except LowPageYield as error:
        return error.problem
    return ""


@pytest.mark.parametrize(
    ("sizes", "tried"),
    [
        pytest.param((1, 1, 10), [], id="nothing tried"),
        pytest.param((1, 1, 10), [(0, 0, 0, 0)], id="an empty batch"),
        pytest.param((22, 1, 10), [(one, 0, 10, 0) for one in range(22)], id="all made"),
        pytest.param((1, 1, 10), [(0, 0, 9, 9)], id="not all of few tried"),
        pytest.param((1, 1, 20), [(0, 0, 20, 1)], id="exactly at the limit"),
        pytest.param((1, 1, 400), [(0, 0, 200, 10)], id="at the limit after 200"),
        pytest.param((1, 1, 400), [(0, 0, 199, 199)], id="199 tried"),
        pytest.param((1, 1, 200), [(0, 0, 199, 199)], id="199 of 200 tried"),
        pytest.param((1, 1, 400), [(0, 0, 64, 10)] + [(0, 0, 64, 0)] * 3, id="early failures"),
        pytest.param(
            (2, 1, 1000), [(0, 0, 150, 150), (1, 0, 150, 150)], id="300 tried of two variants"
        ),
        pytest.param(
            (1, 4, 150), [(0, one, 49, 49) for one in range(4)], id="196 tried of a variant"
        ),
    ],
)
def test_a_yield_that_is_enough_or_is_not_to_be_judged_yet_is_let_pass(
    sizes: tuple[int, int, int], tried: list[Tried]
) -> None:
    assert judge(plan(*sizes), tried) == ""


@pytest.mark.parametrize(
    ("sizes", "tried", "told"),
    [
        pytest.param(
            (22, 1, 10),
            [(one, 0, 10, 10 if one == 13 else 0) for one in range(22)],
            ["10 of 10 pages tried of variant v13 ", "a yield of 0.0%"],
            id="one variant of many",
        ),
        pytest.param(
            (3, 10, 20),
            [(1, one, 20, 2 if one == 7 else 0) for one in range(10)],
            ["2 of 20 pages tried of partition 007 of variant v1 ", "a yield of 90.0%"],
            id="one partition, though its variant has enough",
        ),
        pytest.param((1, 1, 20), [(0, 0, 20, 2)], ["2 of 20 pages"], id="below the limit"),
        pytest.param((1, 1, 400), [(0, 0, 200, 11)], ["11 of 200 pages"], id="200 tried"),
        pytest.param(
            (1, 1, 400), [(0, 0, 199, 11), (0, 0, 1, 0)], ["11 of 200"], id="199, then 200"
        ),
        pytest.param(
            (1, 4, 150),
            [(0, one, 50, 50) for one in range(4)],
            ["200 of 200 pages tried of variant v0 "],
            id="a variant, before any partition",
        ),
        pytest.param(
            (3, 1, 5), [(one, 0, 5, 5) for one in range(3)], ["variant v0 "], id="all variants"
        ),
        pytest.param((1, 1, 1), [(0, 0, 1, 1)], ["1 of 1 pages"], id="a single page"),
        pytest.param(
            (1, 1, 9999), [(0, 0, 64, 0)] * 3 + [(0, 0, 64, 64)], ["64 of 256"], id="late"
        ),
        pytest.param((1, 1, 199), [(0, 0, 199, 10)], ["10 of 199"], id="all of 199"),
        pytest.param((1, 1, 19), [(0, 0, 19, 1)], ["1 of 19", "94.7%"], id="one of few"),
    ],
)
def test_a_yield_below_the_minimum_names_the_variant_or_partition_and_why(
    sizes: tuple[int, int, int], tried: list[Tried], told: list[str]
) -> None:
    problem = judge(plan(*sizes), tried)
    for words in (*told, "because of FAILED_PRECONDITION: The model is not there."):
        assert words in problem


def test_the_most_frequent_reason_is_told_with_its_count() -> None:
    partitions = plan(1, 1, 10)
    page_yield = PageYield(partitions.values(), MINIMUM)
    reasons = ["NOT_FOUND: b", BROKEN, "NOT_FOUND: a", BROKEN, BROKEN]
    with pytest.raises(LowPageYield, match=r"most often \(3 times\) because of FAILED_PREC"):
        page_yield.count(partitions[0, 0], 10, Counter(reasons))
    assert page_yield.failures == len(reasons)
