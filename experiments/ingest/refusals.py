"""Refused records of data files: written as they are found, and summed up at the end."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, Self

from core.screen_text import escape_controls, escape_line
from timetravel.ingest.mistakes import Mistakes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from experiments.ingest.files.slices import DataFile, Slice
    from timetravel.errors import Mistake

_TOLD_PER_RECORD: Final = 5
_TOLD: Final = 100


@dataclass(frozen=True, slots=True)
class Refused:
    """One thing that is wrong with one record of a file.

    Attributes:
        file: Name of the file.
        line: Where the record begins, from 1; the record's number in a file without lines.
        field: What it was to become, e.g. "valid_to"; empty for the whole record.
        value: The value as it stood, shortened.
        rule: What it breaks, as a sentence.
        remedy: What to do, as a sentence.
    """

    file: str
    line: int
    field: str
    value: str
    rule: str
    remedy: str

    def __str__(self) -> str:
        where = ": ".join(part for part in (f"{self.file}:{self.line}", self.field) if part)
        shown = f" ({self.value})" if self.value else ""
        return escape_line(f"{where}{shown}: {self.rule} {self.remedy}")


class Refusals:
    """Writes what was refused to a file, one JSON object a line, if there is to be one.

    Args:
        path: The file; None keeps only the first refusals, for the report.
        keep_bytes: How much of the file an earlier, interrupted run has earned; the rest is
            cut off, and found again.
    """

    def __init__(self, path: Path | None, keep_bytes: int = 0) -> None:
        self.first: list[Refused] = []
        self._file = None
        if path is not None:
            self._file = path.open("r+b" if keep_bytes and path.exists() else "wb")
            self._file.truncate(keep_bytes)
            self._file.seek(0, 2)

    def add(self, refused: Refused) -> None:
        """Keep a refusal."""
        if len(self.first) < _TOLD:
            self.first.append(refused)
        if self._file is not None:
            text = escape_controls(json.dumps(asdict(refused), ensure_ascii=False))
            self._file.write(text.encode() + b"\n")

    def flush(self) -> int:
        """Hand everything to the operating system, and return the file's length."""
        if self._file is None:
            return 0
        self._file.flush()
        return self._file.tell()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()


class RowMistakes(Mistakes):
    """Keeps the first mistakes of every record, rather than the first of all."""

    def __init__(self) -> None:
        super().__init__(0)
        self._of_row: dict[int, int] = {}

    def add(self, index: int, field: str, value: object, rule: str, remedy: str) -> None:
        """Note a mistake."""
        told = self._of_row.get(index, 0)
        self._of_row[index] = told + 1
        self.kept_at_most = len(self.kept) + (told < _TOLD_PER_RECORD)
        super().add(index, field, value, rule, remedy)


def write_refused(
    file: DataFile, found: Slice, kept: Sequence[Mistake], refusals: Refusals
) -> int:
    """Write down mistakes in the order of records, and return how many records have some.

    Args:
        file: Which one.
        found: Some of its records.
        kept: What is wrong with them.
        refusals: Where it is written.
    """
    told = [(line.number, 0, "", "", line.rule, line.remedy) for line in found.unreadable]
    told += [
        (
            int(found.numbers[mistake.index]),
            order,
            mistake.field,
            mistake.value,
            mistake.rule,
            mistake.remedy,
        )
        for order, mistake in enumerate(kept, 1)
    ]
    for number, _, *rest in sorted(told):
        refusals.add(Refused(str(file.path), file.line_of(number), *rest))
    return len({number for number, *_ in told})
