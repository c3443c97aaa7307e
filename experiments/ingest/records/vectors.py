"""Reads the vectors of a slice's records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from experiments.ingest.records.cells import floats, to_float32
from experiments.ingest.records.reading import listed
from timetravel.errors import InvalidFact
from timetravel.facts.model import Op

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.arrays import Float32Array, Int8Array
    from experiments.ingest.records.reading import Reading


def read_vectors(
    reading: Reading, columns: Mapping[str, str], fields: Sequence[str], ops: Int8Array
) -> Float32Array:
    """Return float32[rows, fields] from the column of each field."""
    values = np.full((reading.rows, len(fields)), np.nan, np.float32)
    asserts = ops == Op.ASSERT
    for place, field in enumerate(fields):
        if field not in columns:
            continue
        cells = reading.column(columns[field])
        whole = floats(cells)
        if whole is None:
            asserted_cells = [
                cell if asserted else None
                for cell, asserted in zip(listed(cells), asserts, strict=True)
            ]
            found = reading.each(f"values.{field}", asserted_cells, to_float32, required=False)
            whole = np.array([np.nan if one is None else one for one in found], np.float32)
        values[asserts, place] = whole[asserts]
    return values


def read_lists(
    reading: Reading, column: str, fields: Sequence[str], ops: Int8Array
) -> Float32Array:
    """Return float32[rows, fields] from one column of lists."""
    values = np.full((reading.rows, len(fields)), np.nan, np.float32)
    cells = [
        cell if op == Op.ASSERT else None
        for cell, op in zip(listed(reading.column(column)), ops, strict=True)
    ]

    def read(cell: object) -> Float32Array:
        return reading.rules.vector(_read_list(cell), fields)

    for row, vector in enumerate(reading.each("vector", cells, read, required=False)):
        if vector is not None:
            values[row] = vector
        elif cells[row] is None and ops[row] == Op.ASSERT:
            reading.wrong(row, "vector", None, _NO_LIST)
    return values


def _read_list(cell: object) -> Float32Array:
    if not isinstance(cell, list):
        raise _NO_LIST
    return np.array([to_float32(element) for element in cell], np.float32)


_NO_LIST: Final = InvalidFact("This is not a list of numbers.", remedy="Give e.g. [0.5, 0.25].")
