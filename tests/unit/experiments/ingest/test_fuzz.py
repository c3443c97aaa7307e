"""Whatever a file holds: no fault of ours, and no fact that its cells do not say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.effort import effort
from tests.support.facts.dirty_facts import seeded
from tests.support.facts.ingest_inputs import check_input, load_mappings, random_input

if TYPE_CHECKING:
    from pathlib import Path

    from timetravel.store import Store


@pytest.mark.scaled
def test_no_file_ends_in_a_fault_or_gives_a_fact_that_it_does_not_say(
    store: Store, tmp_path: Path
) -> None:
    mappings = load_mappings(tmp_path)
    registry = store.registry()
    taken = 0
    for seed in range(effort(2_000, 10_000)):
        one = random_input(seeded(seed), tmp_path)
        try:
            taken += check_input(one, mappings[one.kind], registry)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {one.path.read_bytes()!r}") from error
    assert taken > seed // 4
