"""Partitions: slices of time, for every variant alike."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import experiments.generation.partitions
from experiments.generation.partitions import plan_partitions
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
    partitions = plan_partitions(pages, VARIANTS, slices)
    for variant in VARIANTS:
        own = [one for one in partitions if one.variant is variant]
        assert [key for one in own for key in rows_of(one.pages)] == sorted(rows_of(pages))
        ends = [one.as_of_micros for one in own]
        assert ends == sorted(ends)
    for one in partitions:
        assert len(one.pages)
        assert one.pages.as_of_micros.max() == one.as_of_micros


def test_slices_are_of_one_size_give_or_take_one_page() -> None:
    pages = keys_of((moment, 1, "tv") for moment in range(11))
    sizes = [len(one.pages) for one in plan_partitions(pages, VARIANTS[:1], 4)]
    assert sorted(sizes) == [2, 3, 3, 3]


def test_stacks_are_named_for_their_variant_and_slice() -> None:
    pages = keys_of((moment, 1, "tv") for moment in range(4))
    assert [one.stack_id for one in plan_partitions(pages, VARIANTS, 2)] == [
        "control-000",
        "trial-000",
        "control-001",
        "trial-001",
    ]


@given(st.integers(1, 60), st.integers(1, 8), st.integers(1, 12))
def test_chunks_hold_all_pages_of_a_partition_in_whole_batches(
    pages: int, batch_pages: int, chunk_pages: int
) -> None:
    (partition,) = plan_partitions(
        keys_of((moment, 1, "tv") for moment in range(pages)), VARIANTS[:1], 1
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(experiments.generation.partitions, "CHUNK_PAGES", chunk_pages)
        chunks = list(partition.chunks(batch_pages))
    assert [chunk.number for chunk in chunks] == list(range(len(chunks)))
    assert [key for chunk in chunks for key in rows_of(chunk.pages)] == rows_of(partition.pages)
    size = max(chunk_pages // batch_pages, 1) * batch_pages
    assert {len(chunk.pages) for chunk in chunks[:-1]} <= {size}
    assert 0 < len(chunks[-1].pages) <= size
