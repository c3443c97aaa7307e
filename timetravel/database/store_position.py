"""The newest transaction of a store or a backup, and the profiles erased from it.

A backup and a store are of one line if the transactions that both have were committed at the
same moments. Only then does a profile's id mean the same person in both.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from core.arrays import Int64Array


Rows: TypeAlias = Callable[[str, tuple[str, ...]], Iterable[tuple[Any, ...]]]
"""Reads columns of a table, in any order of rows."""

PENDING_TABLE: Final = "pending_erasure"
"""Profiles that a restore on PostgreSQL has yet to erase again; it is there meanwhile."""


@dataclass(frozen=True, slots=True, eq=False)
class StorePosition:
    """What a store or a backup has come to.

    Attributes:
        transactions: int64[n, 2]: tx_id and committed_at, ascending.
        erased: int64[]: profiles that were erased, ascending.
        newest_upkeep: Id of its newest upkeep, 0 if there was none.
    """

    transactions: Int64Array
    erased: Int64Array
    newest_upkeep: int

    @property
    def snapshot(self) -> int:
        """The newest transaction, 0 if there is none."""
        return int(self.transactions[-1, 0]) if len(self.transactions) else 0

    def is_of_one_line_with(self, other: StorePosition) -> bool:
        """Return whether one of the two goes on where the other stopped."""
        both = min(len(self.transactions), len(other.transactions))
        return both > 0 and np.array_equal(self.transactions[:both], other.transactions[:both])

    def erased_since(self, backup: StorePosition) -> tuple[int, ...]:
        """Return the profiles erased here that a backup still has."""
        if not self.is_of_one_line_with(backup):
            return ()
        return tuple(np.setdiff1d(self.erased, backup.erased).tolist())


def read_store_position(rows: Rows, tables: Collection[str]) -> StorePosition:
    """Return how far a store has come, at whatever revision it is."""
    transactions = _integers(rows, tables, "ingest_transaction", "tx_id", "committed_at")
    erased = [
        _integers(rows, tables, table, "profile_id")[:, 0]
        for table in ("erased_profile", PENDING_TABLE)
    ]
    upkeep = _integers(rows, tables, "upkeep", "upkeep_id")
    return StorePosition(
        transactions[np.argsort(transactions[:, 0])],
        np.unique(np.concatenate(erased)),
        int(upkeep.max(initial=0)),
    )


def _integers(rows: Rows, tables: Collection[str], table: str, *columns: str) -> Int64Array:
    found = [tuple(map(int, row)) for row in rows(table, columns)] if table in tables else []
    return np.array(found, np.int64).reshape(-1, len(columns))
