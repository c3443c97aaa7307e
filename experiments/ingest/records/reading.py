"""Reads the fields of a slice's records, and collects cells that break a rule."""

from __future__ import annotations

import math
from datetime import date
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
import pyarrow as pa

from experiments.ingest.mapping.sources import TextEntry
from experiments.ingest.records.cells import (
    to_identity,
    to_json,
    to_number,
    to_text,
    to_whole,
    whole_numbers,
)
from experiments.ingest.records.columns import UnreadableCell, plain_column, refuse_inexact
from experiments.ingest.records.moments import Moments
from timetravel.errors import InvalidFact
from timetravel.facts.external_ids import IdForm
from timetravel.facts.model import EntityKind, Op

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from core.arrays import Int64Array
    from experiments.ingest.files.slices import Column, Slice
    from experiments.ingest.mapping.entries import MappingEntry
    from experiments.ingest.mapping.sources import (
        ChoiceEntry,
        IdentityEntry,
        IntegerEntry,
        MomentEntry,
        NumberEntry,
        ValueEntry,
    )
    from timetravel.facts.external_ids import EntityNames
    from timetravel.facts.model import JsonValue
    from timetravel.ingest.mistakes import Mistakes
    from timetravel.ingest.rules import Rules

T = TypeVar("T")

OPS: Final[Mapping[str, Op]] = {op.name.lower(): op for op in Op}


class Reading:
    """One slice while it is read.

    Every method returns one value per row; where a cell is wrong, that is noted with the
    row's number in the slice, and what stands in its place is of no use.

    Args:
        found: The records.
        entry: What the mapping says.
        rules: What values must meet.
        mistakes: Where they are noted.
        names: How the store names entities.
    """

    def __init__(
        self,
        found: Slice,
        entry: MappingEntry,
        rules: Rules,
        mistakes: Mistakes,
        names: EntityNames,
    ) -> None:
        self.rows = len(found.numbers)
        self.rules = rules
        self.names = names
        self.wrong_rows = np.zeros(self.rows, np.bool_)
        self._found = found
        self._entry = entry
        self._mistakes = mistakes
        self._plain: dict[str, Column] = {}

    def wrong(self, row: int, field: str, cell: object, error: InvalidFact) -> None:
        """Note a mistake."""
        self.wrong_rows[row] = True
        self._mistakes.add(row, field, cell, error.problem, error.remedy)

    def texts(self, field: str, entry: TextEntry, *, required: bool = True) -> list[str | None]:
        """Return names and ids; where they are not required, None where nothing stands."""
        return self.each(field, self._texts_of(entry), self._name, required=required)

    def countries(self, field: str, entry: TextEntry) -> list[str | None]:
        """Return countries."""

        def read(cell: object) -> str:
            return self.rules.country(to_text(cell))

        return self.each(field, self._texts_of(entry), read)

    def identities(
        self, field: str, entry: IdentityEntry, kind: EntityKind | Sequence[EntityKind]
    ) -> Int64Array:
        """Return ids of profiles or videos: whole numbers, or those of texts.

        Args:
            field: What the cells become.
            entry: Where they stand.
            kind: What they name, in all rows or in each.

        Raises:
            InvalidFact: They are texts, and the store has whole numbers.
        """
        cells = self._cells(entry)
        kinds = [kind] if isinstance(kind, EntityKind) else list(dict.fromkeys(kind))
        for one in kinds:
            self._settle(entry, one, cells)
        named = [one for one in kinds if self.names.form(one) is IdForm.TEXTS]
        if not named:
            return self._whole_numbers(field, cells)
        if len(kinds) == 1:
            return self._numbers_of_texts(field, cells, kinds[0])
        return self._mixed(field, cells, list(kind))  # type: ignore[arg-type]  # one of each row

    def _settle(self, entry: IdentityEntry, kind: EntityKind, cells: Column) -> None:
        """Settle how entities are named, unless it is."""
        if entry.as_text is not None:
            self.names.settle(kind, IdForm.TEXTS)
        elif self.names.form(kind) is None and len(cells):
            self.names.settle(kind, IdForm.TEXTS if _hold_no_number(cells) else IdForm.NUMBERS)

    def _whole_numbers(self, field: str, cells: Column) -> Int64Array:
        cells = refuse_inexact(cells)
        whole = whole_numbers(cells)
        if whole is not None:
            return whole
        return np.array(self.each(field, cells, to_identity, 0), np.int64)

    def _numbers_of_texts(self, field: str, cells: Column, kind: EntityKind) -> Int64Array:
        at_once = self._distinct_texts(field, cells, kind)
        if at_once is not None:
            return at_once

        def read(cell: object) -> int:
            return self.names.number(kind, to_text(cell), field=field)

        return np.array(self.each(field, cells, read, 0), np.int64)

    def _distinct_texts(self, field: str, cells: Column, kind: EntityKind) -> Int64Array | None:
        """Return a column at once, None if cells must be looked at one by one."""
        if isinstance(cells, list) or cells.null_count or not pa.types.is_string(cells.type):
            return None
        distinct = cells.dictionary_encode()
        try:
            numbers = [
                self.names.number(kind, text, field=field)
                for text in distinct.dictionary.to_pylist()
            ]
        except InvalidFact:
            return None
        places: NDArray[np.int32] = distinct.indices.to_numpy()
        return np.array(numbers, np.int64)[places]

    def _mixed(self, field: str, cells: Column, kinds: Sequence[EntityKind]) -> Int64Array:
        """Return ids where rows are about entities of several kinds."""
        numbers = np.zeros(self.rows, np.int64)
        for row, (kind, cell) in enumerate(zip(kinds, listed(cells), strict=True)):
            try:
                if cell is None:
                    raise _NOTHING
                if self.names.form(kind) is IdForm.TEXTS:
                    numbers[row] = self.names.number(kind, to_text(cell), field=field)
                else:
                    numbers[row] = to_identity(cell)
            except InvalidFact as error:
                self.wrong(row, field, cell, error)
        return numbers

    def moments(
        self,
        field: str,
        entry: MomentEntry,
        check: Callable[[int], int],
        *,
        required: bool = True,
    ) -> Int64Array:
        """Return moments in microseconds, each of which passes the check."""
        moments = Moments(entry, self._entry.time_zone)
        cells = self._cells(entry)
        if entry.unit is not None:
            cells = refuse_inexact(cells)
        whole = moments.whole(cells)
        if whole is not None and self._all_pass(whole, check):
            return whole

        def read(cell: object) -> int:
            return check(moments.read(cell))

        return np.array(self.each(field, cells, read, 0, required=required), np.int64)

    def numbers(
        self, field: str, entry: NumberEntry | None, ops: Sequence[Op]
    ) -> list[float | None]:
        """Return events' values, None where there is none or nothing is asserted."""
        if entry is None:
            return [None] * self.rows
        cells = self._asserted(entry, ops)

        def read(cell: object) -> float:
            return self.rules.event_value(to_number(cell) * entry.scale)

        return self.each(field, cells, read, required=False)

    def integers(
        self,
        field: str,
        entry: IntegerEntry,
        check: Callable[[int], int],
        *,
        required: bool = True,
    ) -> list[int]:
        """Return whole numbers, each of which passes the check."""

        def read(cell: object) -> int:
            return check(to_whole(cell))

        cells = refuse_inexact(self._cells(entry))
        return self.each(field, cells, read, 0, required=required)

    def given(self, *entries: TextEntry | MomentEntry | IntegerEntry) -> Int64Array:
        """Return int64[rows], how many of the entries stand in each record."""
        given = np.zeros(self.rows, np.int64)
        for entry in entries:
            given += [cell is not None for cell in listed(self._source(entry))]
        return given

    def choices(self, field: str, entry: ChoiceEntry, words: Mapping[str, T]) -> list[T]:
        """Return what words stand for."""
        instead = next(iter(words.values()))

        def read(cell: object) -> T:
            text = to_text(cell)
            word = entry.values.get(text, "" if entry.values else text)
            if word not in words:
                raise InvalidFact(
                    "This is none of the words.",
                    remedy=f"Give one of {', '.join(entry.values or words)}; `values` of the "
                    "mapping says what others stand for.",
                )
            return words[word]

        found = self.each(field, self._cells(entry), read, instead)
        return [instead if one is None else one for one in found]

    def ops(self) -> list[Op]:
        """Return what the records do."""
        if self._entry.op is None:
            return [Op.ASSERT] * self.rows
        return self.choices("op", self._entry.op, OPS)

    def values(
        self, field: str, entry: ValueEntry, ops: Sequence[Op], *, required: bool
    ) -> list[JsonValue]:
        """Return values of JSON, None where nothing stands or nothing is asserted."""
        cells = self._asserted(entry, ops)
        limits = self.rules.limits

        def read(cell: object) -> JsonValue:
            return to_json(cell, entry.type, limits)

        found = self.each(field, cells, read, required=False)
        if required:
            for row, (cell, op) in enumerate(zip(cells, ops, strict=True)):
                if cell is None and op is Op.ASSERT:
                    self.wrong(row, field, None, _NOTHING)
        return found

    def objects(
        self, field: str, entry: ValueEntry, ops: Sequence[Op], *, required: bool
    ) -> list[JsonValue]:
        """Return JSON objects, None where nothing stands or nothing is asserted."""
        found = self.values(field, _as_json(entry), ops, required=required)
        for row, value in enumerate(found):
            if value is not None and not isinstance(value, dict):
                self.wrong(row, field, value, _NO_OBJECT)
        return found

    def column(self, name: str) -> Column:
        """Return a column with its texts read; it is not kept, as there may be hundreds."""
        return plain_column(self._found.columns[name], self._entry.missing)

    def each(
        self,
        field: str,
        cells: Column,
        read: Callable[[object], T],
        instead: T | None = None,
        *,
        required: bool = True,
    ) -> list[Any]:
        """Return what is read of each cell.

        Args:
            field: What the cells become.
            cells: One for each row.
            read: Raises InvalidFact of a cell that is wrong.
            instead: What stands for a cell that is wrong, or missing.
            required: Whether a missing cell is wrong.
        """
        found: list[T | None] = [instead] * self.rows
        memory: dict[object, T] = {}
        for row, cell in enumerate(listed(cells)):
            if cell is None:
                if required:
                    self.wrong(row, field, None, _NOTHING)
                continue
            if isinstance(cell, UnreadableCell):
                self.wrong(row, field, cell, InvalidFact(cell.problem, remedy=cell.remedy))
                continue
            remembers = isinstance(cell, str)
            if remembers and cell in memory:
                found[row] = memory[cell]
                continue
            try:
                found[row] = value = read(cell)
            except InvalidFact as error:
                self.wrong(row, field, cell, error)
                continue
            if remembers:
                memory[cell] = value
        return found

    def _name(self, cell: object) -> str:
        return self.rules.name(to_text(cell))

    def _texts_of(self, entry: TextEntry) -> Column:
        if entry.columns is None:
            return self._cells(entry)
        parts = [listed(self._column(name)) for name in entry.columns]
        return [_join(record, entry.joined_by) for record in zip(*parts, strict=True)]

    def _source(self, entry: TextEntry | MomentEntry | IntegerEntry) -> Column:
        return self._texts_of(entry) if isinstance(entry, TextEntry) else self._cells(entry)

    def _cells(self, entry: Any) -> Column:  # noqa: ANN401 - every entry has column and constant
        if entry.column is None:
            return [entry.constant] * self.rows
        return self._column(entry.column)

    def _asserted(self, entry: NumberEntry | ValueEntry, ops: Sequence[Op]) -> list[object]:
        return [
            cell if op is Op.ASSERT else None
            for cell, op in zip(listed(self._cells(entry)), ops, strict=True)
        ]

    def _column(self, name: str) -> Column:
        plain = self._plain.get(name)
        if plain is None:
            plain = self._plain[name] = self.column(name)
        return plain

    def _all_pass(self, whole: Int64Array, check: Callable[[int], int]) -> bool:
        if not len(whole):
            return True
        try:
            # The rules are intervals.
            check(int(whole.min()))
            check(int(whole.max()))
        except InvalidFact:
            return False
        return True


def _as_json(entry: ValueEntry) -> ValueEntry:
    return entry.model_copy(update={"type": entry.type or "json"})


def _hold_no_number(cells: Column) -> bool:
    """Return whether cells are texts that are no whole numbers, all of them."""
    texts = cells.dictionary_encode().dictionary if isinstance(cells, pa.Array) else cells
    found = [cell for cell in listed(texts) if cell is not None]
    return bool(found) and not any(_is_number(cell) for cell in found)


def _is_number(cell: object) -> bool:
    if not isinstance(cell, str):
        return True
    try:
        to_whole(cell)
    except InvalidFact:
        return False
    return True


_NOTHING: Final = InvalidFact("Nothing stands here.", remedy="Give a value.")
_NO_OBJECT: Final = InvalidFact("This is not a JSON object.", remedy='Give e.g. {"rows": 5}.')


def listed(cells: Column) -> list[object]:
    """Return cells as Python values."""
    return cells if isinstance(cells, list) else cells.to_pylist()


def _join(parts: Sequence[object], joined_by: str) -> object:
    """Return parts of an id as one text; what stands where a part is that cannot be one."""
    texts: list[str] = []
    for part in parts:
        if part is None or isinstance(part, UnreadableCell):
            return part
        try:
            texts.append(_to_part(part))
        except InvalidFact as error:
            return UnreadableCell(repr(part), error.problem, error.remedy)
    return joined_by.join(texts)


def _to_part(part: object) -> str:
    if isinstance(part, date):
        return part.isoformat()
    if isinstance(part, bool) or (isinstance(part, float) and math.isfinite(part)):
        return str(part)
    return to_text(part)
