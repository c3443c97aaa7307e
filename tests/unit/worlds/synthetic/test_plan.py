"""A plan of a world that could not be made, or lived, is refused."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import InvalidInput
from core.moments import FIRST_MICROS, parse_moment
from worlds.synthetic.plan import SyntheticPlan


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("profiles", 0),
        ("videos", 49),
        ("days", 1),
        ("days", 3651),
        ("seed", -1),
        ("countries", ()),
        ("countries", ("US", "US")),
        ("countries", ("us",)),
        ("since_micros", parse_moment("2024-01-01T12:00:00Z")),
        ("since_micros", FIRST_MICROS),
        ("since_micros", parse_moment("1970-01-01")),
        ("since_micros", parse_moment("2199-12-31")),
        ("since_micros", parse_moment("9999-12-31")),
    ],
)
def test_a_plan_of_no_world_is_refused_by_field(field: str, value: Any) -> None:  # noqa: ANN401 - a size, codes or a moment
    with pytest.raises(InvalidInput) as refused:
        SyntheticPlan(**{field: value})
    assert refused.value.field == field.removesuffix("_micros")
