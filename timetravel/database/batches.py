"""Splits ids into batches that one statement can take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_IDS_PER_STATEMENT: Final = 1000


def in_batches(identities: Sequence[int]) -> Iterator[Sequence[int]]:
    """Yield ids some at a time."""
    for start in range(0, len(identities), _IDS_PER_STATEMENT):
        yield identities[start : start + _IDS_PER_STATEMENT]
