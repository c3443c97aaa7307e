"""Collects the mistakes in the records of a chunk: all are counted, the first are kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from core.grpc_status import shorten
from timetravel.errors import Mistake

_SHOWN_LENGTH: Final = 80
_TOLD_LENGTH: Final = 512  # of what may echo something


@dataclass(slots=True)
class Mistakes:
    """Collects mistakes: all are counted, the first are kept.

    Attributes:
        kept_at_most: How many are kept.
        kept: The first.
        total: How many there were.
    """

    kept_at_most: int
    kept: list[Mistake] = field(default_factory=list)
    total: int = 0

    def add(self, index: int, field: str, value: object, rule: str, remedy: str) -> None:
        """Note a mistake."""
        self.total += 1
        if len(self.kept) < self.kept_at_most:
            told = [shorten(text, _TOLD_LENGTH) for text in (rule, remedy)]
            self.kept.append(Mistake(index, field, show(value), *told))


def show(value: object) -> str:
    """Return a value as a message shows it: short, text in quotes, nothing for None."""
    if value is None:
        return ""
    # A long text is cut before it is quoted, which takes time.
    text = repr(value[:_SHOWN_LENGTH] if isinstance(value, str | bytes) else value)
    return text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}..."
