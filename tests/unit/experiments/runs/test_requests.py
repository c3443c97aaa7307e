"""What a run asks for is written once, and read again by a run that goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import experiments.generation.partitions
from core.moments import FIRST_MICROS, LAST_MICROS
from experiments.generation.partitions import plan_slices
from experiments.runs.purge import purge_results
from experiments.runs.requests import find_profiles, read_requests, write_requests
from tests.support.pages.page_keys import keys_of, rows_of

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from experiments.generation.partitions import Slice
    from tests.support.pages.page_keys import PageRow
    from timetravel.store import Store

PAGES = st.lists(
    st.tuples(
        st.integers(FIRST_MICROS, LAST_MICROS),
        st.integers(0, 9) | st.just(2**63 - 1),
        st.sampled_from(["tv", "phone"]),
        st.none() | st.sampled_from(["US", "DE"]),
        st.sampled_from(["country=US", "no country"]),
    ),
    min_size=1,
    max_size=30,
)


def described(slices: tuple[Slice, ...]) -> list[tuple[str, list[list[PageRow]]]]:
    return [(one.number, [rows_of(chunk) for chunk in one.chunks]) for one in slices]


@given(PAGES, st.integers(1, 3), st.integers(1, 4))
def test_what_is_read_is_what_was_planned(
    tmp_path_factory: pytest.TempPathFactory,
    pages: list[tuple[int, int, str, str | None, str]],
    slices: int,
    batch_pages: int,
) -> None:
    directory = tmp_path_factory.mktemp("run")
    planned = plan_slices(keys_of(pages), slices, batch_pages)
    write_requests(directory, planned)
    assert described(read_requests(directory)) == described(planned)
    assert find_profiles(planned).tolist() == sorted({page[1] for page in pages})


def test_chunks_keep_their_numbers_when_members_are_erased(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiments.generation.partitions, "CHUNK_PAGES", 2)
    members = [5, 5, 6, 7, 6, 5, 8, 8]
    pages = keys_of((moment, member, "tv") for moment, member in enumerate(members))
    write_requests(tmp_path, plan_slices(pages, 2, 2))
    assert purge_results(tmp_path, np.array([5, 8]), store) == 2
    assert [
        (number, [[row.profile_id for row in chunk] for chunk in chunks])
        for number, chunks in described(read_requests(tmp_path))
    ] == [("000", [[], [6, 7]]), ("001", [[6], []])]
    assert purge_results(tmp_path, np.array([6]), store) == 2
    assert [one.number for one in read_requests(tmp_path)] == ["000"]
