"""Pages are named by the ids that the store was given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from core.moments import FIRST_MICROS, LAST_MICROS, format_moment
from experiments.generation.external_ids import PageIds, moment_of, write_external_ids
from experiments.scope.page_keys import PageKeys
from tests.support.pages.page_services import open_world_store
from tests.support.pages.page_worlds import make_world
from timetravel.facts.model import EntityKind

if TYPE_CHECKING:
    from pathlib import Path

PROFILES = st.integers(0, 3) | st.integers(0, 2**63 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@given(
    st.lists(st.tuples(st.integers(FIRST_MICROS, LAST_MICROS), PROFILES)),
    st.dictionaries(PROFILES, TEXTS),
)
def test_the_ids_of_many_pages_are_those_of_each(
    pages: list[tuple[int, int]], texts: dict[int, str]
) -> None:
    keys = PageKeys.of(
        np.array([moment for moment, _ in pages], np.int64),
        np.array([profile_id for _, profile_id in pages], np.int64),
        pa.array(["tv"] * len(pages), pa.string()).dictionary_encode(),
    )
    page_ids = PageIds.by_texts(texts)
    named = page_ids.of_keys(keys).to_pylist()
    assert named == [page_ids.one(profile_id, moment) for moment, profile_id in pages]
    for (moment, profile_id), page_id in zip(pages, named, strict=True):
        name = texts.get(profile_id, "(unknown)") if texts else str(profile_id)
        assert page_id == f"{name}@{format_moment(moment)}"
        assert moment_of(page_id) == format_moment(moment)


def test_a_run_on_texts_says_what_its_numbers_stand_for(tmp_path: Path) -> None:
    world = make_world(3).named_by_texts()
    numbers = np.array(sorted(world.profile_ids), np.int64)
    with open_world_store(world, tmp_path / "store.db") as store:
        write_external_ids(tmp_path / "run", store, numbers, store.snapshot())
        for kind, entity in ((EntityKind.PROFILE, "profile"), (EntityKind.VIDEO, "video")):
            table = pq.read_table(tmp_path / f"run/ids/{entity}s.parquet")
            written = dict(
                zip(
                    table[f"{entity}_id"].to_pylist(),
                    table["external_id"].to_pylist(),
                    strict=True,
                )
            )
            assert written == store.entity_texts(kind, list(written))
            assert len(written) > 1


def test_a_run_on_numbers_has_nothing_to_say_of_them(tmp_path: Path) -> None:
    world = make_world(3)
    with open_world_store(world, tmp_path / "store.db") as store:
        write_external_ids(
            tmp_path / "run", store, np.array(world.profile_ids, np.int64), store.snapshot()
        )
    assert not (tmp_path / "run").exists()
