"""The moments that a call reads at: the call's as-of, or earlier ones, never later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from core.columns import decode_integers
from core.moments import check_moment, format_moment
from core.timestamps import decode_timestamp
from mesh.call.context import current_context
from mesh.errors import ContradictingAsOf

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp
    from pagesim.columns.v1.columns_pb2 import IntegerColumn

    from core.arrays import Int64Array


class AsOfRequest(Protocol):
    """A request that may carry an as-of of its own."""

    @property
    def as_of(self) -> Timestamp:
        """The moment, if it is set."""
        ...

    def HasField(self, field_name: Literal["as_of"]) -> bool:  # noqa: N802 - protobuf's name
        """Return whether it is set."""
        ...


def moment_of(request: AsOfRequest) -> int:
    """Return the moment of a request, by default the as-of of the call.

    Raises:
        ContradictingAsOf: It is later than that.
        InvalidInput: No calendar has it, or it has a part of a microsecond.
    """
    as_of = request.as_of if request.HasField("as_of") else None
    return moment_or_as_of(as_of, field="as_of")


def moment_or_as_of(moment: Timestamp | None, *, field: str) -> int:
    """Return a moment, the as-of of the call where there is none; raises as `moment_of`."""
    as_of_micros = current_context().as_of_micros
    if moment is None:
        return as_of_micros
    micros = decode_timestamp(moment, field=field)
    _check_not_later(micros, as_of_micros, field=field)
    return micros


def moments_of(column: IntegerColumn, rows: int) -> Int64Array:
    """Return the moment of each row, by default the as-of of the call; raises as `moment_of`.

    Raises:
        InvalidColumn: There are not as many moments as rows.
    """
    as_of_micros = current_context().as_of_micros
    if not column.values:
        return np.full(rows, as_of_micros, dtype=np.int64)
    moments = decode_integers(column, field="as_of_micros", length=rows)
    _check_calendar(moments, field="as_of_micros")
    _check_not_later(int(moments.max()), as_of_micros, field="as_of_micros")
    return moments


def first_moments_of(column: IntegerColumn, rows: int) -> Int64Array | None:
    """Return the moments after which the windows of the rows begin, None where none is given.

    Raises:
        InvalidColumn: There are not as many moments as rows.
        InvalidInput: No calendar has one of them.
    """
    if not column.values:
        return None
    moments = decode_integers(column, field="since_micros", length=rows)
    _check_calendar(moments, field="since_micros")
    return moments


def _check_calendar(moments: Int64Array, *, field: str) -> None:
    for moment in (moments.min(), moments.max()):
        check_moment(int(moment), field=field)


def _check_not_later(moment: int, as_of_micros: int, *, field: str) -> None:
    if moment > as_of_micros:
        raise ContradictingAsOf(
            f"{format_moment(moment)} is later than the as-of of the call, "
            f"{format_moment(as_of_micros)}.",
            remedy="Ask for that moment or an earlier one, or give the stack a later as-of.",
            field=field,
        )
