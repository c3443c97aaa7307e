"""Page yield: judged per variant and per partition, once enough of its pages were tried."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from experiments.errors import LowPageYield

if TYPE_CHECKING:
    from collections.abc import Iterable

    from experiments.generation.partitions import Partition

JUDGED_PAGES: Final = 200
"""Pages tried after which a yield is judged; all of them, where there are fewer."""


@dataclass(slots=True)
class Tally:
    """Count the pages of a variant, or of one of its partitions.

    Attributes:
        name: Whose, as messages name it.
        pages: What there is to make.
        tried: Pages made or failed so far.
        reasons: Failed pages by what kept them from being made.
    """

    name: str
    pages: int = 0
    tried: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def failures(self) -> int:
        """Pages that could not be made."""
        return self.reasons.total()

    def is_below(self, minimum: float) -> bool:
        """Return whether enough pages were tried, and too few of them made."""
        due = self.tried > 0 and self.tried >= min(JUDGED_PAGES, self.pages)
        return due and (self.tried - self.failures) / self.tried < minimum

    def describe(self) -> str:
        """Return the counts and the most frequent reason, as a sentence."""
        made = 1 - self.failures / self.tried
        reason, count = find_most_frequent(self.reasons)
        return (
            f"{self.failures} of {self.tried} pages tried of {self.name} could not be made, a "
            f"yield of {made:.1%}; most often ({count} times) because of {reason.rstrip('.')}."
        )


class PageYield:
    """Count the pages of a run, from several threads, and judge them.

    Args:
        partitions: What the run makes.
        minimum: Share of pages that must succeed.
    """

    def __init__(self, partitions: Iterable[Partition], minimum: float) -> None:
        self._minimum = minimum
        self._lock = threading.Lock()
        self._variants: dict[str, Tally] = {}
        self._partitions: dict[str, Tally] = {}
        for partition in partitions:
            name = f"variant {partition.variant.name}"
            whole = self._variants.setdefault(partition.variant.name, Tally(name))
            whole.pages += len(partition)
            self._partitions[partition.stack_id] = Tally(
                f"partition {partition.partition_id} of {name}", len(partition)
            )

    @property
    def failures(self) -> int:
        """Pages that could not be made, of all variants."""
        with self._lock:
            return sum(tally.failures for tally in self._variants.values())

    def count(self, partition: Partition, tried: int, reasons: Counter[str]) -> None:
        """Take in that pages of a partition were tried.

        Args:
            partition: Whose.
            tried: How many pages.
            reasons: Those that could not be made, by the reason.

        Raises:
            LowPageYield: The partition or its variant has too few pages.
        """
        with self._lock:
            judged = self._judged(partition)
            for tally in judged:
                tally.tried += tried
                tally.reasons.update(reasons)
            low = [tally.describe() for tally in judged if tally.is_below(self._minimum)]
        if low:
            raise LowPageYield(
                f"{' '.join(low)} At least {self._minimum:.1%} must be made.",
                remedy="Fix the cause, or lower limits.page_yield.",
            )

    def take_back(self, partition: Partition, tried: int, reasons: Counter[str]) -> None:
        """Take back what was counted of a chunk that is to be made again."""
        with self._lock:
            for tally in self._judged(partition):
                tally.tried -= tried
                tally.reasons -= reasons

    def _judged(self, partition: Partition) -> tuple[Tally, Tally]:
        return self._variants[partition.variant.name], self._partitions[partition.stack_id]


def find_most_frequent(reasons: Counter[str]) -> tuple[str, int]:
    """Return the most frequent reason and its count; of equals the first in order."""
    if not reasons:
        return "", 0
    return min(reasons.items(), key=lambda pair: (-pair[1], pair[0]))
