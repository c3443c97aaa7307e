"""Draws members of groups: uniformly, and by what they are rather than by their order.

Every member gets a place from a digest of the seed and its numbers, and the first of each
group are taken: so a draw does not depend on the order in which members are met, and a larger
draw holds the smaller one.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.arrays import Int64Array, UInt64Array

MEMBERS_AT_ONCE: Final = 250_000
"""Members who are hashed at once, and about as many are drawn from at once, in whole groups."""

_CONFIGURATION: Final[dict[str, str | bool | int | float | list[str]]] = {
    "threads": 1,
    "temp_directory": "",
}
"""Two threads hash no faster and take twice the CPU; hashing never needs a disk."""
_DIGEST: Final = pa.binary(32)
_DIGEST_WORDS: Final = 4
_HASH: Final = "SELECT unhex(sha256(concat_ws(':', $seed, *COLUMNS(*)))) AS digest FROM members"


def take_first(
    groups: Int64Array, limits: Int64Array, seed: int, *numbers: Int64Array
) -> Int64Array:
    """Return which members are the first of their groups, by SHA-256 of "seed:number:number".

    Args:
        groups: int64[members], the group of each, from 0 on.
        limits: int64[groups], how many of each group are taken at most.
        seed: What decides the draw.
        numbers: int64[members] each; together they name a member.

    Returns:
        int64, places of members, ascending.
    """
    is_drawn = (np.bincount(groups, minlength=len(limits)) <= limits)[groups]
    contested = np.flatnonzero(~is_drawn)
    contested = contested[np.argsort(groups[contested], kind="stable")]
    begins = _find_firsts(groups[contested])
    cuts = begins[_find_firsts(begins // MEMBERS_AT_ONCE)]
    with duckdb.connect(config=_CONFIGURATION) as connection:
        for first, last in pairwise([*cuts.tolist(), len(contested)]):
            members = contested[first:last]
            words = _digest(connection, seed, [one[members] for one in numbers])
            ordered = members[_sort([groups[members], *words])]
            within = groups[ordered]
            firsts = _find_firsts(within)
            sizes = np.diff(firsts, append=len(within))
            ranks = np.arange(len(within)) - np.repeat(firsts, sizes)
            is_drawn[ordered[ranks < limits[within]]] = True
    return np.flatnonzero(is_drawn)


def _find_firsts(groups: Int64Array) -> Int64Array:
    """Return where each group begins, of members that lie by group."""
    return np.flatnonzero(np.diff(groups, prepend=-1))


def _digest(
    connection: duckdb.DuckDBPyConnection, seed: int, numbers: Sequence[Int64Array]
) -> UInt64Array:
    """Return the words of the digests of members, most significant first: uint64[4, members].

    Words sort several times faster than bytes.
    """
    names = [f"number_{place}" for place in range(len(numbers))]
    members = pa.table(list(numbers), names)
    words = np.empty((_DIGEST_WORDS, len(members)), np.uint64)
    for first in range(0, len(members), MEMBERS_AT_ONCE):
        connection.register("members", members.slice(first, MEMBERS_AT_ONCE))
        hashed = connection.execute(_HASH, {"seed": seed}).to_arrow_table()
        _, digests = hashed["digest"].cast(_DIGEST).combine_chunks().buffers()
        some = np.frombuffer(digests, ">u8", count=len(hashed) * _DIGEST_WORDS)
        words[:, first : first + len(hashed)] = some.reshape(-1, _DIGEST_WORDS).T
    return words


def _sort(columns: Sequence[Int64Array | UInt64Array]) -> Int64Array:
    """Return the places of members by the first column, then by the next."""
    names = [f"column_{place}" for place in range(len(columns))]
    order = pc.sort_indices(
        pa.table(list(columns), names), [(name, "ascending") for name in names]
    )
    places: Int64Array = order.to_numpy()
    return places
