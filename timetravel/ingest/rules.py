"""Rules for values from outside, whether from a file or from a stream."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

import numpy as np

from core.errors import InvalidInput
from core.moments import check_moment, format_moment
from timetravel.errors import InvalidFact
from timetravel.facts.meanings import check_country
from timetravel.facts.model import LARGEST_ID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.arrays import Float32Array
    from timetravel.ingest.limits import Limits

LARGEST_SCHEMA_VERSION: Final = 2**31 - 1
_LARGEST_FLOAT: Final = float(np.finfo(np.float32).max)
_NAMED_FIELDS: Final = 12


@dataclass(frozen=True, slots=True)
class Rules:
    """Checks values; each check returns the value, or raises InvalidFact.

    Attributes:
        limits: Bounds of what is taken.
        now_micros: What our clock says: nothing is known that has not been learned yet.
    """

    limits: Limits
    now_micros: int

    def name(self, text: str) -> str:
        """Check a name, an id or another short text."""
        if not text:
            _refuse("Nothing is given.", "Give text.")
        if "\0" in text:
            _refuse("Text holds no null characters.", "Remove them.")
        try:
            length = len(text.encode())
        except UnicodeEncodeError:
            _refuse("This is half of a surrogate pair.", "Give the character itself.")
        if length > self.limits.text_bytes:
            _refuse(
                f"Text of {length} bytes is longer than {self.limits.text_bytes}.",
                "Shorten it.",
            )
        return text

    def country(self, text: str) -> str:
        """Check the country of a licence, as that of a profile is."""
        return check_country(self.name(text))

    def bookmark(self, text: str) -> str:
        """Check a note that nobody but its sender reads; it may be empty."""
        return self.name(text) if text else text

    def identity(self, number: int) -> int:
        """Check the id of a profile or a video."""
        if not 0 <= number <= LARGEST_ID:
            _refuse(f"Ids lie between 0 and {LARGEST_ID}.", "Give one of these.")
        return number

    def schema_version(self, number: int) -> int:
        """Check a schema version."""
        if not 1 <= number <= LARGEST_SCHEMA_VERSION:
            _refuse("Schema versions count from 1.", "Give 1 or more.")
        return number

    def valid_from(self, micros: int) -> int:
        """Check since when something is true; that may lie ahead."""
        _check_calendar(micros)
        limits = self.limits
        if not limits.earliest_micros <= micros < limits.latest_micros:
            _refuse(
                f"{format_moment(micros)} does not lie between "
                f"{format_moment(limits.earliest_micros)} and "
                f"{format_moment(limits.latest_micros)}.",
                "Is it in another unit? Give the moment at which it begins to be true.",
            )
        return micros

    def past(self, micros: int) -> int:
        """Check when something happened, or was learned."""
        self.valid_from(micros)
        if micros > self.now_micros + self.limits.clock_skew_micros:
            _refuse(
                f"{format_moment(micros)} is in the future: it is "
                f"{format_moment(self.now_micros)}.",
                "Give a moment that has been; is it in another time zone?",
            )
        return micros

    def valid_to(self, micros: int) -> int:
        """Check until when something is true; the year 9999 means for ever."""
        _check_calendar(micros)
        if micros <= self.limits.earliest_micros:
            _refuse(
                f"{format_moment(micros)} is not later than "
                f"{format_moment(self.limits.earliest_micros)}.",
                "Is it in another unit? Give 9999-12-31 where no end is known.",
            )
        return micros

    def event_value(self, number: float) -> float:
        """Check an event's value: a finite number that float32 can hold."""
        if not math.isfinite(number) or abs(number) > _LARGEST_FLOAT:
            _refuse(
                "A value is a finite number within float32.",
                "Leave it out where there is none.",
            )
        return float(number)

    def vector(self, values: Float32Array, fields: Sequence[str] | None) -> Float32Array:
        """Check a vector: as many values as fields, finite or NaN.

        Args:
            values: float32[values].
            fields: Whose values they are; None where that is not known.
        """
        if len(values) > self.limits.vector_fields:
            _refuse(
                f"{len(values)} values are more than {self.limits.vector_fields}.",
                "Split the group.",
            )
        if fields is not None and len(values) != len(fields):
            more = ", ..." if len(fields) > _NAMED_FIELDS else ""
            _refuse(
                f"{len(values)} values do not fit {len(fields)} fields.",
                f"Give {', '.join(fields[:_NAMED_FIELDS])}{more}, in this order.",
            )
        if np.isinf(values).any():
            _refuse(
                f"Value {int(np.flatnonzero(np.isinf(values))[0])} is not finite.",
                "Give a finite number within float32, or NaN for a missing field.",
            )
        return values


def _check_calendar(micros: int) -> None:
    try:
        check_moment(micros)
    except InvalidInput as error:
        _refuse(error.problem, error.remedy)


def _refuse(problem: str, remedy: str) -> NoReturn:
    raise InvalidFact(problem, remedy=remedy)
