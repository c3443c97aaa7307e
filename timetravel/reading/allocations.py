"""A/B allocations: kept as attributes of profiles, under names that no attribute may have.

The cell stands in an object, `{"cell": "B"}`, and is null for a profile that is in none of a
test's cells: so that "in no cell" is something that was said, and differs from silence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from timetravel.facts.model import ALLOCATION_PREFIX, EntityKind
from timetravel.reading.reader import AllocationRows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from timetravel.facts.model import JsonValue
    from timetravel.reading.reader import AttributeRows, Identities, Moments


class AttributeReader(Protocol):
    """Whatever answers for attributes, as `FactReader` does."""

    def attributes(
        self, kind: EntityKind, entity_ids: Identities, at: Moments, names: Sequence[str]
    ) -> AttributeRows:
        """Return the named attributes of each row."""
        ...


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
    reader: AttributeReader, profile_ids: Identities, at: Moments, tests: Sequence[str]
) -> AllocationRows:
    """Return allocations from whatever reads attributes; see `FactReader.allocations`."""
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
