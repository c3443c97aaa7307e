"""Kernels that search segments are compiled for one set of types, whoever asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.facts.dirty_facts import START, random_batches, seeded
from tests.support.facts.fact_answers import ask_everything, fill
from timetravel.segments import search
from timetravel.segments.directory import SegmentDirectory
from timetravel.segments.reader import SegmentReader
from timetravel.segments.warm_up import warm_up

if TYPE_CHECKING:
    from pathlib import Path

    from timetravel.store import Store


def compiled() -> dict[str, int]:
    return {
        name: len(value.signatures)
        for name, value in vars(search).items()
        if hasattr(value, "signatures")
    }


def test_warming_up_compiles_all_that_reading_a_segment_needs(
    store: Store, tmp_path: Path
) -> None:
    fill(store, random_batches(seeded(2), batches=3, facts=40))
    warm_up()
    warm = compiled()
    assert set(warm) == {"find_visible", "find_events"}
    assert all(warm.values())
    for directory in (None, SegmentDirectory(tmp_path)):
        ask_everything(
            SegmentReader(store.segment(store.snapshot(), directory=directory)), (START,)
        )
    assert compiled() == warm
