"""Records of CSV text, strictly: what a cell holds is never a guess."""

from __future__ import annotations

import csv
import re
from typing import IO, TYPE_CHECKING, Final, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.ingest.mapping.entries import CsvEntry

_LONGEST: Final = 16 << 20
_MEBIBYTES: Final = _LONGEST >> 20


class Problem(NamedTuple):
    """Why a record cannot be read."""

    rule: str
    remedy: str


class CsvRecords:
    """Iterates over the records of a file: its cells, or what is wrong with it.

    Blank lines are passed over. After a record that cannot be read, the next begins on the
    next line.

    Args:
        file: Opened with newline="".
        entry: Delimiter, quote and escape.
    """

    def __init__(self, file: IO[str], entry: CsvEntry) -> None:
        self.line = 1
        self._lines = _Lines(file, entry)
        csv.field_size_limit(_LONGEST)
        self._reader = csv.reader(
            self._lines,
            delimiter=entry.delimiter,
            quotechar=entry.quote,
            escapechar=entry.escape,
            strict=True,
        )

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> list[str] | Problem:
        while True:
            self.line = self._reader.line_num + 1
            try:
                record = next(self._reader)
            except csv.Error as error:
                return self._lines.take_problem() or _describe(error)
            problem = self._lines.take_problem()
            if problem is not None:
                return problem
            if record:
                return record


class _Lines:
    """Yields lines, and notes what `csv` would read as something else, or not at all."""

    def __init__(self, file: IO[str], entry: CsvEntry) -> None:
        self._problem: Problem | None = None
        self._file = file
        self._escapes = None if entry.escape is None else _Escapes(entry.escape, entry)

    def take_problem(self) -> Problem | None:
        """Return what is wrong with the lines since this was asked last."""
        problem, self._problem = self._problem, None
        return problem

    def __iter__(self) -> Iterator[str]:
        while line := self._file.readline(_LONGEST + 1):
            if len(line) > _LONGEST:
                self._problem = Problem(
                    f"A line is longer than {_MEBIBYTES} MiB.", "Is it another format?"
                )
                while len(line) > _LONGEST and not line.endswith(("\n", "\r")):
                    line = self._file.readline(_LONGEST + 1)
                line = "\n"
            if self._escapes is not None:
                self._problem = self._problem or self._escapes.find_problem(line)
                line = self._escapes.keep_nulls(line)
            yield line


class _Escapes:
    """Finds escapes of which `csv` would drop the escape and keep the letter."""

    def __init__(self, escape: str, entry: CsvEntry) -> None:
        self._escape = escape
        self._escaped = {escape, entry.quote, entry.delimiter, "\r", "\n", ""}
        escape, delimiter = re.escape(escape), re.escape(entry.delimiter)
        self._any = re.compile(f"{escape}(.|$)", re.DOTALL)
        self._null = re.compile(f"(?<![^{delimiter}\r\n]){escape}N(?=[{delimiter}\r\n]|$)")

    def keep_nulls(self, line: str) -> str:
        r"""Return a line in which a cell \N, which MySQL writes for null, is that text."""
        return self._null.sub(lambda found: f"{self._escape}{found[0]}", line)

    def find_problem(self, line: str) -> Problem | None:
        """Return what is wrong with the escapes of a line."""
        for found in self._any.finditer(self.keep_nulls(line)):
            if found[1] not in self._escaped:
                return Problem(
                    f"{found[0]!r} is not an escape that is read.",
                    f"Double the {self._escape} where it stands for itself.",
                )
        return None


def _describe(error: csv.Error) -> Problem:
    text = str(error)
    if "expected after" in text:
        return Problem(
            "Text follows a closing quote.",
            "Double a quote that stands within quotes, or set csv.escape in the mapping.",
        )
    if "unexpected end" in text:
        return Problem("A quote is not closed.", "Close it, or double a quote within quotes.")
    if "limit" in text:
        return Problem(
            f"A cell is longer than {_MEBIBYTES} MiB.", "Is a quote before it not closed?"
        )
    return Problem(f"The record cannot be read: {text}.", "Fix it.")
