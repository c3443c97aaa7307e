"""Lineage: finds facts that were used before they were known.

Every answer says when the facts in it became known. Here that is held against the moment by
which they may have been: the row's own as-of, or the fixed known-by of a call. What is found
names the fact, so that whoever is at fault can be found too.

Lineage sees facts that were used. It does not see a fact that was *not* used because a later
one, such as a retraction, hid it too soon; `docs/time.md` says what else it cannot see.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.moments import EARLIEST_MICROS, format_moment
from timetravel.errors import LeakedFact

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from core.arrays import Int64Array
    from timetravel.facts.model import EntityKind, FactKind
    from timetravel.reading.reader import Identities

CATALOGUE = "the catalogue"
"""What a leak is about where an answer concerns every video at once."""


@dataclass(frozen=True, slots=True)
class Leak:
    """A fact that was used before it was known; moments in microseconds.

    Attributes:
        kind: What kind of fact.
        name: Which of them, e.g. the attribute or the feature group; may be several.
        about: What it is about, e.g. "profile 17".
        known_at: When the live system learned it.
        as_of: The moment by which it would have had to.
    """

    kind: FactKind
    name: str
    about: str
    known_at: int
    as_of: int

    def __str__(self) -> str:
        kind = self.kind.name.lower().replace("_", " ")
        named = f"{kind} {self.name}" if self.name else kind
        return (
            f"{named} of {self.about}, known at {format_moment(self.known_at)}, was used as of "
            f"{format_moment(self.as_of)}"
        )


def find_leaks(
    kind: FactKind,
    name: str,
    about: EntityKind,
    entity_ids: Identities,
    known_at: Int64Array,
    bounds: Int64Array,
    name_entity: Callable[[EntityKind, int], int | str] = lambda _kind, number: number,
) -> list[Leak]:
    """Return the facts used before they were known, row by row.

    Args:
        kind: What kind of fact was read.
        name: Which of them.
        about: What the entities are.
        entity_ids: One per row.
        known_at: int64[rows], newest known_at of what was used; EARLIEST_MICROS for nothing.
        bounds: int64[rows], by when it had to be known.
        name_entity: Returns the id of an entity as the store was given it.
    """
    rows = np.flatnonzero(known_at > bounds).tolist()
    return [
        Leak(
            kind,
            name,
            f"{about.name.lower()} {name_entity(about, int(entity_ids[row]))}",
            int(known_at[row]),
            int(bounds[row]),
        )
        for row in rows
    ]


def find_leak(kind: FactKind, name: str, about: str, known_at: int, bound: int) -> list[Leak]:
    """Return the leak of an answer about one thing, or about everything; none if there is none.

    Args:
        kind: What kind of fact was read.
        name: Which of them.
        about: What they are about.
        known_at: Newest known_at of what was used; EARLIEST_MICROS for nothing.
        bound: By when it had to be known.
    """
    if known_at == EARLIEST_MICROS or known_at <= bound:
        return []
    return [Leak(kind, name, about, known_at, bound)]


def refuse_leaks(leaks: Sequence[Leak]) -> None:
    """Raise for the first of some leaks, and say how many there are.

    Raises:
        LeakedFact: There are leaks.
    """
    if not leaks:
        return
    more = f" (and {len(leaks) - 1} more)" if len(leaks) > 1 else ""
    raise LeakedFact(
        f"The {leaks[0]}{more}.",
        remedy="Report this: an answer of the store holds what was not yet known.",
        field="lineage",
    )
