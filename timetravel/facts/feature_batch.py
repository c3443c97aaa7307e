"""Feature facts in columns: many in one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from core.moments import FIRST_MICROS, LAST_MICROS
from timetravel.errors import InvalidFact
from timetravel.facts.model import Op

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.arrays import BoolArray, Float32Array, Int8Array, Int64Array

_SHOWN_VALUES: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class FeatureBatch:
    """Many facts of one feature group, one per row; each says what a `FeatureFact` says.

    Attributes:
        group: Name of the feature group.
        entity_ids: int64[rows].
        valid_from: int64[rows], microseconds.
        known_at: int64[rows], microseconds.
        ops: int8[rows], numbers of `Op`.
        values: float32[rows, fields]; NaN where a field is missing, and throughout a row
            that asserts nothing.
        schema_version: Whose fields the values follow; None means the newest.
    """

    group: str
    entity_ids: Int64Array
    valid_from: Int64Array
    known_at: Int64Array
    ops: Int8Array
    values: Float32Array
    schema_version: int | None = None

    def __post_init__(self) -> None:
        self._check_shape()
        _check_all(self.entity_ids >= 0, self.entity_ids, "entity_ids", "Ids are 0 or more.")
        for field, moments in (("valid_from", self.valid_from), ("known_at", self.known_at)):
            within = (moments >= FIRST_MICROS) & (moments <= LAST_MICROS)
            _check_all(within, moments, field, "Moments lie in the years 1 to 9999.")
        _check_all((self.ops >= 0) & (self.ops < len(Op)), self.ops, "ops", "Ops are 0, 1, 2.")
        infinite = np.asarray(np.isinf(self.values).any(axis=1), np.bool_)
        _check_all(
            ~infinite, self.values, "values", "Give finite numbers, or NaN for a missing field."
        )
        silent = self.values[self.ops != Op.ASSERT]
        _check_all(
            np.isnan(silent).all(axis=1), silent, "values", "Only an asserted fact has a value."
        )

    def __len__(self) -> int:
        return len(self.entity_ids)

    def take(self, places: Int64Array) -> FeatureBatch:
        """Return the rows at places."""
        return FeatureBatch(
            self.group,
            self.entity_ids[places],
            self.valid_from[places],
            self.known_at[places],
            self.ops[places],
            self.values[places],
            self.schema_version,
        )

    def _check_shape(self) -> None:
        rows = len(self.entity_ids)
        shapes: dict[str, tuple[NDArray[Any], type, tuple[int, ...]]] = {
            "entity_ids": (self.entity_ids, np.int64, (rows,)),
            "valid_from": (self.valid_from, np.int64, (rows,)),
            "known_at": (self.known_at, np.int64, (rows,)),
            "ops": (self.ops, np.int8, (rows,)),
            "values": (self.values, np.float32, (rows, *self.values.shape[1:2])),
        }
        for field, (column, dtype, shape) in shapes.items():
            if column.dtype != dtype or column.shape != shape:
                raise InvalidFact(
                    f"The column has type {column.dtype} and shape {column.shape}.",
                    remedy=f"Give {np.dtype(dtype)} of shape {shape}.",
                    field=field,
                )
        if self.values.ndim != 2:  # noqa: PLR2004 - a matrix
            raise InvalidFact(
                f"The values have shape {self.values.shape}.",
                remedy="Give one row of fields for each fact.",
                field="values",
            )


def show_values(value: NDArray[np.generic]) -> str:
    """Return a value, or the first of several, as a message shows it."""
    values = np.atleast_1d(value).tolist()
    more = ", ..." if len(values) > _SHOWN_VALUES else ""
    return ", ".join(map(str, values[:_SHOWN_VALUES])) + more


def _check_all(right: BoolArray, column: NDArray[np.generic], field: str, remedy: str) -> None:
    if not right.all():
        row = int(np.flatnonzero(~right)[0])
        raise InvalidFact(
            f"Row {row} is {show_values(column[row])}.", remedy=remedy, field=field
        )
