"""Searches profiles by attributes at a moment, as known then, and counts them by stratum.

A profile is there at T if at least one of the attributes asked for has a value at T. Values
are compared as canonical JSON, so 1 and true differ, and 1 and 1.0 do. None stands for "no
value", whether it was said or nothing is visible.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from core.moments import EARLIEST_MICROS
from timetravel.errors import InvalidFact, InvalidQuestion
from timetravel.facts.model import EntityKind, canonical_json
from timetravel.reading.reader import check_names, newest
from timetravel.reading.result_rows import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from core.arrays import Int64Array
    from timetravel.facts.model import JsonValue
    from timetravel.reading.text_reader import TextReader

_PROFILES_AT_ONCE: Final = 4096
_NO_VALUE: Final = "null"


@dataclass(frozen=True, slots=True)
class Strata:
    """Say which profiles are candidates, and by what they are told apart.

    Args:
        names: Attributes whose values make the strata.
        where: The values that attributes may have; all of it must hold.
    """

    names: tuple[str, ...] = ()
    where: Mapping[str, Sequence[JsonValue]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_names(self.names)
        check_names(tuple(self.where))
        if not self.all_names:
            raise InvalidQuestion(
                "No attribute is asked for.",
                remedy="Name one that every profile has, e.g. country.",
                field="names",
            )

    @property
    def all_names(self) -> list[str]:
        """Every attribute that is read."""
        return [*self.names, *(name for name in self.where if name not in self.names)]

    def accepted(self) -> dict[str, frozenset[str]]:
        """Return the canonical JSON of the values that attributes may have.

        Raises:
            InvalidQuestion: A value is not JSON.
        """
        try:
            return {
                name: frozenset(canonical_json(value) for value in values)
                for name, values in self.where.items()
            }
        except InvalidFact as error:
            raise InvalidQuestion(error.problem, remedy=error.remedy, field="where") from error


@dataclass(frozen=True, slots=True, eq=False)
class ProfileRows:
    """Candidates by ascending id: int64[n], their strata's values, and newest known_at.

    next_after gives the candidates behind these; None says that there are none.
    """

    profile_ids: Int64Array
    columns: Mapping[str, Sequence[JsonValue]]
    newest_known_at: Int64Array
    next_after: int | None


@dataclass(frozen=True, slots=True)
class ProfileCounts:
    """Candidates by the canonical JSON of their strata's values, in order of these."""

    profiles: Mapping[tuple[str, ...], int]
    newest_known_at: int


@dataclass(frozen=True, slots=True, eq=False)
class _Some:
    profile_ids: Int64Array
    texts: Mapping[str, Sequence[str]]
    newest_known_at: Int64Array


def find_profiles(
    reader: TextReader, at: int, strata: Strata, after: int | None = None, limit: int = 1000
) -> ProfileRows:
    """Return candidates by ascending id.

    Args:
        reader: Reads one snapshot.
        at: The moment.
        strata: Who is a candidate, and which values to return.
        after: Only profiles behind this one; None means from the first.
        limit: Profiles at most.

    Raises:
        InvalidQuestion: The limit is not a number of profiles.
    """
    if limit < 1:
        raise InvalidQuestion(
            f"A limit of {limit} profiles is less than 1.",
            remedy="Ask for 1 or more.",
            field="limit",
        )
    parts: list[_Some] = []
    found = 0
    for candidate in _candidates(reader, at, strata, after):
        parts.append(candidate)
        found += len(candidate.profile_ids)
        if found > limit:
            break
    ids, known_at = (
        np.concatenate([np.empty(0, np.int64), *(getattr(part, name) for part in parts)])
        for name in ("profile_ids", "newest_known_at")
    )
    columns = {
        name: parse_json([text for part in parts for text in part.texts[name]][:limit])
        for name in strata.names
    }
    return ProfileRows(
        ids[:limit], columns, known_at[:limit], int(ids[limit - 1]) if found > limit else None
    )


def count_profiles(reader: TextReader, at: int, strata: Strata) -> ProfileCounts:
    """Return how many candidates share each combination of values.

    Args:
        reader: Reads one snapshot.
        at: The moment.
        strata: Who is a candidate, and the names whose values are combined.
    """
    counts: Counter[tuple[str, ...]] = Counter()
    newest_known_at = EARLIEST_MICROS
    for candidate in _candidates(reader, at, strata, None):
        columns = [candidate.texts[name] for name in strata.names]
        for place in range(len(candidate.profile_ids)):
            counts[tuple(column[place] for column in columns)] += 1
        newest_known_at = max(newest_known_at, newest(candidate.newest_known_at))
    return ProfileCounts({texts: counts[texts] for texts in sorted(counts)}, newest_known_at)


def _candidates(
    reader: TextReader, at: int, strata: Strata, after: int | None
) -> Iterator[_Some]:
    names, accepted = strata.all_names, strata.accepted()
    listed = reader.entity_ids(EntityKind.PROFILE)
    first = 0 if after is None else int(np.searchsorted(listed, after, side="right"))
    for start in range(first, len(listed), _PROFILES_AT_ONCE):
        ids = listed[start : start + _PROFILES_AT_ONCE]
        read, known_at = reader.attribute_texts(EntityKind.PROFILE, ids, at, names)
        texts = {name: [text or _NO_VALUE for text in read[name]] for name in names}
        rows = zip(*texts.values(), strict=True)
        kept = np.array([any(text != _NO_VALUE for text in row) for row in rows], np.bool_)
        for name, values in accepted.items():
            kept &= np.array([text in values for text in texts[name]], np.bool_)
        places = np.flatnonzero(kept).tolist()
        yield _Some(
            ids[kept],
            {name: [texts[name][place] for place in places] for name in strata.names},
            known_at[kept],
        )
