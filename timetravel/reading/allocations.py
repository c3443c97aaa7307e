"""A/B allocations: stored as attributes of profiles, under reserved names.

The cell stands in an object, `{"cell": "B"}`, and is null for a profile that is in none of a
test's cells: so that "in no cell" is something that was said, and differs from silence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from timetravel.facts.model import ALLOCATION_PREFIX, EntityKind
from timetravel.reading.reader import AllocationRows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from timetravel.facts.model import JsonValue
    from timetravel.reading.reader import FactReader, Identities, Moments


def allocation_name(test: str) -> str:
    """Return the name of the attribute that holds the allocations of a test."""
    return f"{ALLOCATION_PREFIX}{test}"


def allocated_test(name: str) -> str | None:
    """Return the test that an attribute's name stands for, None for a plain attribute."""
    if not name.startswith(ALLOCATION_PREFIX):
        return None
    return name.removeprefix(ALLOCATION_PREFIX)


def cell_of(value: JsonValue) -> str | None:
    """Return the cell that an attribute's value holds; None for none, or no value."""
    if not isinstance(value, dict):
        return None
    cell = value["cell"]
    return cell if isinstance(cell, str) else None


def read_allocations(
    reader: FactReader, profile_ids: Identities, at: Moments, tests: Sequence[str]
) -> AllocationRows:
    """Return which cell of the named A/B tests the profile of each row is in.

    Raises:
        InvalidQuestion: There are not as many moments as profiles, or a test comes twice.
    """
    names = [allocation_name(test) for test in tests]
    rows = reader.attributes(EntityKind.PROFILE, profile_ids, at, names)
    columns = {test: rows.columns[name] for test, name in zip(tests, names, strict=True)}
    return AllocationRows(
        {test: [cell_of(value) for value in column] for test, column in columns.items()},
        {
            test: np.array([value is not None for value in column], np.bool_)
            for test, column in columns.items()
        },
        rows.newest_known_at,
    )
