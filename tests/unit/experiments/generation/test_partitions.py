"""Partitions: slices of time, for every variant alike."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import experiments.generation.partitions
from experiments.generation.partitions import plan_partitions, plan_slices
from experiments.spec import Variant
from tests.support.pages.page_keys import keys_of, rows_of

VARIANTS = (
    Variant(name="control", description="", configuration={}),
    Variant(name="trial", description="", configuration={}),
)


@given(st.lists(st.integers(0, 10**6), min_size=1, unique=True), st.integers(1, 8))
def test_every_variant_makes_every_page_once_and_no_page_is_later_than_its_stack(
    moments: list[int], slices: int
) -> None:
    pages = keys_of((moment, 1, "tv") for moment in moments)
    partitions = plan_partitions(plan_slices(pages, slices, 512), VARIANTS)
    for variant in VARIANTS:
        own = [one.slice for one in partitions if one.variant is variant]
        asked = [key for one in own for chunk in one.chunks for key in rows_of(chunk)]
        assert asked == sorted(rows_of(pages))
        ends = [one.as_of_micros for one in own]
        assert ends == sorted(ends)
    for one in partitions:
        assert len(one) == sum(map(len, one.slice.chunks)) > 0
        latest = max(int(chunk.as_of_micros.max()) for chunk in one.slice.chunks)
        assert latest == one.slice.as_of_micros


def test_slices_are_of_one_size_give_or_take_one_page() -> None:
    pages = keys_of((moment, 1, "tv") for moment in range(11))
    assert sorted(map(len, plan_slices(pages, 4, 512))) == [2, 3, 3, 3]


def test_stacks_are_named_for_their_variant_and_slice() -> None:
    pages = keys_of((moment, 1, "tv") for moment in range(4))
    assert [one.stack_id for one in plan_partitions(plan_slices(pages, 2, 512), VARIANTS)] == [
        "control-000",
        "trial-000",
        "control-001",
        "trial-001",
    ]


@given(st.integers(1, 60), st.integers(1, 8), st.integers(1, 12))
def test_chunks_hold_all_pages_of_a_slice_in_whole_batches(
    pages: int, batch_pages: int, chunk_pages: int
) -> None:
    keys = keys_of((moment, 1, "tv") for moment in range(pages))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(experiments.generation.partitions, "CHUNK_PAGES", chunk_pages)
        (planned,) = plan_slices(keys, 1, batch_pages)
    assert [key for chunk in planned.chunks for key in rows_of(chunk)] == rows_of(keys)
    size = max(chunk_pages // batch_pages, 1) * batch_pages
    assert {len(chunk) for chunk in planned.chunks[:-1]} <= {size}
    assert 0 < len(planned.chunks[-1]) <= size
