"""Reads JSON Lines: one object a line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NoReturn

import numpy as np

from experiments.ingest.files.slices import Slice, Unreadable
from timetravel.ingest.mistakes import show

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from io import BufferedReader
    from pathlib import Path

_LONGEST_LINE: Final = 16 << 20


class _NoRecordError(Exception):
    """Says why a line is not a record."""


class JsonLinesFile:
    """A file with one JSON object a line, in UTF-8; blank lines are passed over."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._bytes = 0

    def columns(self) -> None:
        """Return None: each record has its own."""

    def read(self, names: Sequence[str], start: int, size: int) -> Iterator[Slice]:
        """Yield slices; see `DataFile.read`. A record's number is its line, from 0."""
        with self.path.open("rb") as file:
            lines = _lines(file)
            after = sum(1 for _ in zip(range(start), lines, strict=False))
            while True:
                first, after = after, after + size - after % size
                read = _read_slice(lines, names, first, after)
                self._bytes = file.tell()
                if read.after > first:
                    yield read
                if read.after < after:
                    return

    def line_of(self, number: int) -> int:
        """Return the line at which a record begins."""
        return number + 1

    def bytes_read(self) -> int:
        """Return how many bytes have been read so far, about."""
        return self._bytes


def _lines(file: BufferedReader) -> Iterator[bytes]:
    """Yield lines; of one that is too long, enough to see that it is."""
    while line := file.readline(_LONGEST_LINE + 1):
        yield line
        while len(line) > _LONGEST_LINE and not line.endswith(b"\n"):
            line = file.readline(_LONGEST_LINE + 1)


def _read_slice(lines: Iterator[bytes], names: Sequence[str], first: int, end: int) -> Slice:
    numbers: list[int] = []
    records: list[tuple[object, ...]] = []
    unreadable: list[Unreadable] = []
    after = first
    for number, line in zip(range(first, end), lines, strict=False):
        after = number + 1
        if line.isspace():
            continue
        try:
            record = _parse(line)
        except _NoRecordError as reason:
            unreadable.append(Unreadable(number, str(reason), "Write one JSON object a line."))
            continue
        numbers.append(number)
        records.append(tuple(map(record.get, names)))
    found: list[list[object]] = [list(column) for column in zip(*records, strict=True)]
    columns = dict(zip(names, found or [[] for _ in names], strict=True))
    return Slice(first, after, np.array(numbers, np.int64), columns, unreadable)


def _parse(line: bytes) -> dict[str, object]:
    if len(line) > _LONGEST_LINE:
        raise _NoRecordError(f"The line is longer than {_LONGEST_LINE} bytes.")
    try:
        record = _DECODER.decode(line.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise _NoRecordError("The line is not UTF-8.") from None
    except json.JSONDecodeError as error:
        reason = f"The line is not JSON: {error.msg}, at character {error.pos}."
        raise _NoRecordError(reason) from None
    except ValueError as error:
        raise _NoRecordError(f"The line holds a number that is too long: {error}.") from None
    except RecursionError:
        raise _NoRecordError("The line is nested too deep.") from None
    if not isinstance(record, dict):
        raise _NoRecordError(f"The line is not a JSON object: {show(record)}.")
    return record


def _to_object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _NoRecordError(f"The line has the key {show(twice)} twice.")
    return found


def _refuse(word: str) -> NoReturn:
    raise _NoRecordError(
        f"The line is not JSON: it holds {word}; write null where a number is missing."
    )


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_to_object, parse_constant=_refuse)
