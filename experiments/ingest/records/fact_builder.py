"""Builds facts from the fields of a record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from timetravel.errors import InvalidFact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from experiments.ingest.records.reading import Reading
    from timetravel.facts.model import Fact


def build_facts(
    reading: Reading,
    field: str,
    records: Iterable[tuple[object, ...] | None],
    make: Callable[..., Fact],
) -> list[tuple[int, Fact]]:
    """Return the facts of records in which nothing is wrong; None makes none."""
    facts: list[tuple[int, Fact]] = []
    # All columns have been read before the first record is looked at.
    for row, record in enumerate(records):
        if record is None or reading.wrong_rows[row]:
            continue
        try:
            facts.append((row, make(record)))
        except InvalidFact as error:
            reading.wrong(row, error.field or field, None, error)
    return facts
