"""Converts cells into moments, strictly: no time without a zone, no ambiguous local time."""

from __future__ import annotations

import math
import re
from datetime import date, datetime
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.errors import InvalidInput
from core.moments import parse_iso_8601, to_micros
from experiments.ingest.mapping.moment_formats import MomentFormat
from timetravel.errors import InvalidFact

if TYPE_CHECKING:
    from core.arrays import Int64Array
    from experiments.ingest.files.slices import Column
    from experiments.ingest.mapping.sources import MomentEntry

_MICROS: Final = {
    "seconds": Decimal(1_000_000),
    "milliseconds": Decimal(1_000),
    "microseconds": Decimal(1),
    "nanoseconds": Decimal("0.001"),
}
_COUNT: Final = re.compile(r"[-+]?[0-9]{1,30}(\.[0-9]{0,30})?([eE][-+]?[0-9]{1,3})?")
_FAR: Final = 10**24
_EXACT: Final = Context(prec=100)
"""Holds every product of a count, which has fewer digits than 100, and its unit."""
_UTC: Final = "UTC"
"""The only zone in which Arrow places local times rightly: it forgets summer after 2037."""
_ZONE: Final = pa.timestamp("us", tz=_UTC)
_WITHOUT_ZONE: Final = (
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?)?$"
)
_WITH_ZONE: Final = (
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?"
    "(Z|[+-][0-9]{2}:?[0-9]{2})$"
)
"""What Arrow and `parse_iso_8601` read alike."""
_LONGEST_TEXT: Final = 64


class Moments:
    """Reads the moments of one field.

    Args:
        entry: What the mapping says of it.
        time_zone: Whose time is meant where neither the cell nor the entry says so.
    """

    def __init__(self, entry: MomentEntry, time_zone: str | None) -> None:
        self._format = None if entry.format is None else MomentFormat(entry.format)
        named = None if self._format is None else self._format.zone_name
        name = named or entry.time_zone or time_zone
        self._zone = None if name is None else ZoneInfo(name)
        self._zone_name = name
        self._unit = entry.unit

    def whole(self, column: Column) -> Int64Array | None:
        """Return a column in microseconds at once, None if it must be read one by one."""
        if isinstance(column, list) or column.null_count or self._format is not None:
            return None
        if self._unit in {"seconds", "milliseconds", "microseconds"}:
            return self._scale(column)
        if self._unit is not None:
            return None
        try:
            return self._cast(column)
        except pa.ArrowInvalid:
            return None

    def read(self, cell: object) -> int:
        """Return the moment of a cell in microseconds.

        Raises:
            InvalidFact: It is not a moment.
        """
        if isinstance(cell, str):
            cell = self._parse(cell)
        if isinstance(cell, datetime):
            return self._place(cell)
        if isinstance(cell, date):
            return self._place(datetime(cell.year, cell.month, cell.day))  # noqa: DTZ001 - placed below
        if isinstance(cell, int | float | Decimal) and not isinstance(cell, bool):
            return self._count(cell)
        raise InvalidFact("This is not a moment.", remedy="Give e.g. 2018-05-01T12:00:00Z.")

    def _scale(self, column: pa.Array) -> Int64Array | None:
        if pa.types.is_string(column.type):
            if not _all_match(column, "^-?[0-9]{1,18}$"):
                return None
            column = column.cast(pa.int64())
        if not pa.types.is_integer(column.type) or pa.types.is_uint64(column.type):
            return None
        factor = int(_MICROS[str(self._unit)])
        numbers: Int64Array = column.to_numpy().astype(np.int64)
        most = np.iinfo(np.int64).max // factor
        if len(numbers) and (numbers.min() < -most or numbers.max() > most):
            return None
        return numbers * factor

    def _cast(self, column: pa.Array) -> Int64Array | None:
        kind = column.type
        if pa.types.is_string(kind):
            if _all_match(column, _WITH_ZONE):
                moments = column.cast(_ZONE)
            elif self._zone_name == _UTC and _all_match(column, _WITHOUT_ZONE):
                moments = column.cast(pa.timestamp("us"))
            else:
                return None
        elif kind == _ZONE or (kind == pa.timestamp("us") and self._zone_name == _UTC):
            moments = column
        else:
            return None
        found: Int64Array = moments.cast(pa.int64()).to_numpy()
        return found

    def _parse(self, text: str) -> date | Decimal:
        text = text.strip()
        if len(text) > _LONGEST_TEXT:
            raise InvalidFact("This is not a moment.", remedy="Give e.g. 2018-05-01T12:00:00Z.")
        if self._unit is not None:
            if _COUNT.fullmatch(text) is None:
                raise InvalidFact(
                    "This is not a number.", remedy=f"Give {self._unit} since 1970."
                )
            return Decimal(text)
        if self._format is not None:
            return self._format.read(text, self._zone)
        try:
            return parse_iso_8601(text)
        except InvalidInput as error:
            raise InvalidFact(
                error.problem,
                remedy="Give e.g. 2018-05-01T12:00:00Z, or name format or unit in the mapping.",
            ) from None

    def _count(self, number: float | Decimal) -> int:
        if self._unit is None:
            raise InvalidFact(
                "This is a number.", remedy="Name its unit in the mapping, e.g. unit: seconds."
            )
        if isinstance(number, float) and not math.isfinite(number):
            raise InvalidFact("This is not a moment.", remedy="Give a finite number.")
        if not -_FAR < number < _FAR:
            raise InvalidFact(
                "This lies outside the years 1 to 9999.",
                remedy=f"Give {self._unit} since 1970.",
            )
        micros = _EXACT.multiply(Decimal(str(number)), _MICROS[self._unit])
        whole = int(micros.to_integral_value())
        # A float is seldom exact; a text or a whole number is.
        if whole != micros and not isinstance(number, float):
            raise InvalidFact(
                "This has a part of a microsecond.", remedy="Round it to microseconds."
            )
        return whole

    def _place(self, moment: datetime) -> int:
        if moment.tzinfo is None:
            moment = self._localise(moment)
        try:
            return to_micros(moment)
        except InvalidInput as error:
            raise InvalidFact(
                "This lies outside the years 1 to 9999.", remedy=error.remedy
            ) from None

    def _localise(self, moment: datetime) -> datetime:
        if self._zone is None:
            raise InvalidFact(
                "This has no time zone.",
                remedy="Add it, or say in the mapping what is meant, e.g. time_zone: UTC.",
            )
        early = moment.replace(tzinfo=self._zone, fold=0)
        late = moment.replace(tzinfo=self._zone, fold=1)
        if early.utcoffset() != late.utcoffset():
            raise InvalidFact(
                f"The clocks of {self._zone_name} were changed then: this time occurs twice, "
                "or not at all.",
                remedy="Give it in UTC.",
            )
        return early


def _all_match(column: pa.Array, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(column, pattern)).as_py())
