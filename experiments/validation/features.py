"""Compares logged feature values with those read back at the moment of the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from experiments.validation.errors import FieldsLost
from timetravel.facts.model import FactKind
from timetravel.reading.lineage import find_leaks
from timetravel.reading.reader import moments_per_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from core.arrays import BoolArray, Float32Array, Int64Array
    from timetravel.facts.model import EntityKind, FeatureGroup
    from timetravel.queries.logged_pages import LoggedPage
    from timetravel.reading.lineage import Leak
    from timetravel.reading.reader import FactReader


NameEntity: TypeAlias = "Callable[[EntityKind, int], int | str]"
"""Returns the id of an entity as the store was given it."""


@dataclass(frozen=True, slots=True)
class FieldCount:
    """Count the logged values of one field, and those that were read back the same."""

    group: str
    field: str
    values: int
    identical: int

    @property
    def share(self) -> float:
        """Share of values that are identical."""
        return self.identical / self.values


@dataclass(frozen=True, slots=True)
class FeatureMismatch:
    """Tell of one value that was not read back as it was logged; moments in microseconds."""

    profile_id: int
    shown_at: int
    group: str
    field: str
    entity_kind: EntityKind
    entity_id: int
    logged: float
    simulated: float
    logged_known_at: int
    simulated_known_at: int
    logged_valid_from: int
    simulated_valid_from: int


@dataclass(frozen=True, slots=True)
class FeatureComparison:
    """Hold what came of a batch of pages."""

    counts: tuple[FieldCount, ...]
    mismatches: tuple[FeatureMismatch, ...]
    leaks: tuple[Leak, ...]


def compare_features(
    reader: FactReader,
    pages: Sequence[LoggedPage],
    known_by: int | None,
    name_entity: NameEntity,
) -> FeatureComparison:
    """Read every logged value again at the moment of its page, and compare bit by bit.

    A missing value (NaN) equals a missing value.

    Args:
        reader: Reads as of the moment of each page.
        pages: With their features.
        known_by: What the reader's facts are read by; None means each page's moment.
        name_entity: Names entities in leaks.

    Raises:
        FieldsLost: A group has fewer fields than were logged.
    """
    counts: list[FieldCount] = []
    mismatches: list[FeatureMismatch] = []
    leaks: list[Leak] = []
    names = sorted({feature.group for page in pages for feature in page.features})
    for name in names:
        logged = _Logged.of(name, pages)
        read = reader.features(name, logged.entity_ids, logged.moments)
        fields = read.group.fields
        bounds = moments_per_row(
            logged.moments if known_by is None else known_by, len(read.known_at)
        )
        leaks += find_leaks(
            FactKind.FEATURES,
            name,
            read.group.entity_kind,
            logged.entity_ids,
            read.known_at,
            bounds,
            name_entity,
        )
        values = _widened(logged.values, read.group)
        same = _same_bits(values, read.values)
        counts += [
            FieldCount(name, field, len(same), int(same[:, place].sum()))
            for place, field in enumerate(fields)
        ]
        for row, place in np.argwhere(~same).tolist():
            mismatches.append(
                FeatureMismatch(
                    profile_id=int(logged.profile_ids[row]),
                    shown_at=int(logged.moments[row]),
                    group=name,
                    field=fields[place],
                    entity_kind=read.group.entity_kind,
                    entity_id=int(logged.entity_ids[row]),
                    logged=float(values[row, place]),
                    simulated=float(read.values[row, place]),
                    logged_known_at=int(logged.known_at[row]),
                    simulated_known_at=int(read.known_at[row]),
                    logged_valid_from=int(logged.valid_from[row]),
                    simulated_valid_from=int(read.valid_from[row]),
                )
            )
    return FeatureComparison(tuple(counts), tuple(mismatches), tuple(leaks))


def add_counts(counts: Iterable[FieldCount]) -> tuple[FieldCount, ...]:
    """Return counts with those of one field added up, by group and field."""
    totals: dict[tuple[str, str], tuple[int, int]] = {}
    for count in counts:
        values, identical = totals.get((count.group, count.field), (0, 0))
        totals[count.group, count.field] = values + count.values, identical + count.identical
    return tuple(FieldCount(*key, *total) for key, total in sorted(totals.items()))


@dataclass(frozen=True, slots=True, eq=False)
class _Logged:
    profile_ids: Int64Array
    moments: Int64Array
    entity_ids: Int64Array
    values: Float32Array
    known_at: Int64Array
    valid_from: Int64Array

    @classmethod
    def of(cls, name: str, pages: Sequence[LoggedPage]) -> _Logged:
        found = [
            (page, feature)
            for page in pages
            for feature in page.features
            if feature.group == name
        ]
        sizes = [len(own.entity_ids) for _, own in found]
        return cls(
            profile_ids=np.repeat([page.profile_id for page, _ in found], sizes),
            moments=np.repeat([page.shown_at for page, _ in found], sizes),
            entity_ids=np.concatenate([own.entity_ids for _, own in found]),
            values=np.concatenate([own.values for _, own in found]),
            known_at=np.concatenate([own.known_at for _, own in found]),
            valid_from=np.concatenate([own.valid_from for _, own in found]),
        )


def _widened(values: Float32Array, group: FeatureGroup) -> Float32Array:
    """Return values with NaN in fields that the group has got since: so they read back."""
    missing = len(group.fields) - values.shape[1]
    if missing < 0:
        raise FieldsLost(
            f"{group.name} was logged with {values.shape[1]} fields and has "
            f"{len(group.fields)}.",
            remedy="Register the fields again; a later schema version may only add some.",
            field=group.name,
        )
    return np.pad(values, ((0, 0), (0, missing)), constant_values=np.nan)


def _same_bits(one: Float32Array, other: Float32Array) -> BoolArray:
    bits = np.ascontiguousarray(one).view(np.uint32) == np.ascontiguousarray(other).view(
        np.uint32
    )
    same: BoolArray = bits | (np.isnan(one) & np.isnan(other))
    return same
