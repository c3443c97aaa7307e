"""Sorting, and rows cut to their best."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ranking.kernel import make_scratch, sort_descending

SCORES = st.lists(
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(lambda score: score + 0.0),
    min_size=1,
    max_size=60,
)


@settings(deadline=None)
@given(SCORES, st.data())
def test_positions_are_sorted_by_score_then_position(
    scores: list[float], data: st.DataObject
) -> None:
    chosen = data.draw(st.lists(st.integers(0, len(scores) - 1), unique=True).map(sorted))
    positions = np.array(chosen, np.int32)
    sort_descending(
        np.array(scores, np.float32), positions, len(positions), make_scratch(len(scores), 0)
    )
    assert positions.tolist() == sorted(chosen, key=lambda place: (-scores[place], place))
