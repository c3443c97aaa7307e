"""What page services read is converted where it is clear, and refused otherwise."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timetravel.errors import InvalidFact
from timetravel.facts.meanings import MEANINGS, check_event_value, convert_attribute
from timetravel.facts.model import EntityKind, EventKind

if TYPE_CHECKING:
    from timetravel.facts.model import JsonValue

PROFILE, VIDEO = EntityKind.PROFILE, EntityKind.VIDEO
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(
        ["16", "true", "Drama", "[1]", '["a"]', "1999", "2024-01-01", "[", "1e3"]
    ),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.sampled_from(sorted(MEANINGS)), JSON)
def test_what_is_converted_is_its_own_conversion_and_json(
    attribute: tuple[EntityKind, str], value: JsonValue
) -> None:
    try:
        read = convert_attribute(*attribute, value)
    except InvalidFact:
        return
    assert read is not None
    assert convert_attribute(*attribute, read) == read
    assert json.loads(json.dumps(read)) == read


@pytest.mark.parametrize(
    ("kind", "name", "value", "expected"),
    [
        (VIDEO, "withdrawn", "true", True),
        (VIDEO, "withdrawn", " FALSE ", False),
        (VIDEO, "withdrawn", 1, True),
        (VIDEO, "withdrawn", 0.0, False),
        (VIDEO, "withdrawn", "0", False),
        (VIDEO, "maturity", 16.0, 16),
        (VIDEO, "maturity", "16", 16),
        (VIDEO, "maturity", "16.0", 16),
        (PROFILE, "maturity_limit", 0, 0),
        (PROFILE, "blocked_genres", "Drama", ["Drama"]),
        (PROFILE, "blocked_genres", '["Drama", "War"]', ["Drama", "War"]),
        (PROFILE, "blocked_genres", [], []),
        (PROFILE, "blocked_videos", "603", [603]),
        (PROFILE, "blocked_videos", 603.0, [603]),
        (PROFILE, "blocked_videos", ["603", 604.0, 605], [603, 604, 605]),
        (VIDEO, "genres", "Film-Noir", ["Film-Noir"]),
        (VIDEO, "requires", ["hdr"], ["hdr"]),
        (VIDEO, "year", "1999", 1999),
        (VIDEO, "year", 1999.0, 1999),
        (VIDEO, "title", 1917, "1917"),
        (VIDEO, "added_at", "2024-03-04", 1_709_510_400_000_000),
        (VIDEO, "added_at", 1_709_510_400_000_000, 1_709_510_400_000_000),
        (PROFILE, "title", {"any": "value"}, {"any": "value"}),
        (VIDEO, "mood", "true", "true"),
    ],
)
def test_a_value_that_is_clearly_meant_is_converted(
    kind: EntityKind, name: str, value: JsonValue, expected: JsonValue
) -> None:
    read = convert_attribute(kind, name, value)
    assert read == expected
    assert type(read) is type(expected)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (VIDEO, "withdrawn", "yes, mostly"),
        (VIDEO, "withdrawn", 2),
        (VIDEO, "withdrawn", None),
        (VIDEO, "withdrawn", [True]),
        (VIDEO, "maturity", "PG-13"),
        (VIDEO, "maturity", "16+"),
        (VIDEO, "maturity", 16.5),
        (VIDEO, "maturity", -1),
        (VIDEO, "maturity", True),
        (PROFILE, "maturity_limit", 1_000),
        (PROFILE, "maturity_limit", float("nan")),
        (PROFILE, "blocked_genres", "Drama|War"),
        (PROFILE, "blocked_genres", "Drama, War"),
        (PROFILE, "blocked_genres", ["Drama", 7]),
        (PROFILE, "blocked_genres", [" Drama"]),
        (PROFILE, "blocked_genres", {"Drama": True}),
        (PROFILE, "blocked_genres", "[Drama]"),
        (PROFILE, "blocked_videos", "603,604"),
        (PROFILE, "blocked_videos", [-1]),
        (PROFILE, "blocked_videos", [2**63]),
        (PROFILE, "blocked_videos", True),
        (PROFILE, "country", 64),
        (PROFILE, "country", " NZ"),
        (PROFILE, "country", ""),
        (VIDEO, "year", "nineteen"),
        (VIDEO, "year", 99),
        (VIDEO, "year", "9" * 5_000),
        (VIDEO, "added_at", 1_709_553_600),
        (VIDEO, "added_at", 1_709_553_600_000),
        (VIDEO, "added_at", "2024-03-04T12:00:00"),
        (VIDEO, "title", ["Alien"]),
        (VIDEO, "genres", None),
    ],
)
def test_a_value_that_means_nothing_is_refused(
    kind: EntityKind, name: str, value: JsonValue
) -> None:
    with pytest.raises(InvalidFact, match=r"This is not .*Give e\.g\."):
        convert_attribute(kind, name, value)


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        (EventKind.PLAY, [None, 0, 0.5, 1], [5, 85, -0.1, 1.0001]),
        (EventKind.RATING, [0.5, 3, 5], [0, 0.4, 10, -1, None]),
        (EventKind.THUMB, [1, -1], [0, 0.5, 2, None]),
        (EventKind.LIST, [1, 0], [-1, 0.5, 2, None]),
        (EventKind.IMPRESSION, [None], [0, 1]),
    ],
)
def test_the_value_of_an_event_lies_within_the_range_of_its_kind(
    kind: EventKind, right: list[float | None], wrong: list[float | None]
) -> None:
    for value in right:
        check_event_value(kind, value)
    for value in wrong:
        with pytest.raises(InvalidFact):
            check_event_value(kind, value)
