"""The protocol for reading facts: implemented in SQL, over segments, and by the client.

Moments are int64 microseconds since 1970-01-01 UTC. "Where nothing was visible" a moment is
`core.moments.EARLIEST_MICROS` and a feature is NaN. Result rows follow the rows asked for.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from core.moments import EARLIEST_MICROS
from timetravel.errors import InvalidQuestion
from timetravel.facts.model import EntityKind, EventKind, FeatureGroup, JsonValue

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.arrays import BoolArray, Float32Array, Int8Array, Int64Array


Identities: TypeAlias = "Sequence[int] | Int64Array"
"""One id per row."""
Moments: TypeAlias = "int | Sequence[int] | Int64Array"
"""One moment per row, or one for all."""


@dataclass(frozen=True, slots=True, eq=False)
class FeatureRows:
    """Vectors, one per row: values float32[n, fields], known_at and valid_from int64[n].

    An entity said to have no value (absent) has NaN values but its own known_at.
    """

    group: FeatureGroup
    values: Float32Array
    known_at: Int64Array
    valid_from: Int64Array

    @property
    def newest_known_at(self) -> int:
        """Newest known_at of all rows."""
        return newest(self.known_at)


@dataclass(frozen=True, slots=True, eq=False)
class AttributeRows:
    """One list of JSON values per name; None where nothing was visible."""

    columns: Mapping[str, Sequence[JsonValue]]
    newest_known_at: Int64Array


@dataclass(frozen=True, slots=True, eq=False)
class AllocationRows:
    """Cells of A/B tests, one list per test.

    A cell is None where the profile is in none, and where nobody has said; is_known, bool[n]
    per test, tells the two apart.
    """

    cells: Mapping[str, Sequence[str | None]]
    is_known: Mapping[str, BoolArray]
    newest_known_at: Int64Array


@dataclass(frozen=True, slots=True, eq=False)
class HistoryRows:
    """Events of each row, newest first; ties by descending event id.

    Row i holds events offsets[i] to offsets[i + 1] of the flat columns: offsets int64[n + 1],
    video_ids and event_at int64, kinds int8 (EventKind), values float32 (NaN: has none).
    """

    offsets: Int64Array
    video_ids: Int64Array
    event_at: Int64Array
    kinds: Int8Array
    values: Float32Array
    newest_known_at: Int64Array


@dataclass(frozen=True, slots=True, eq=False)
class CatalogueRows:
    """Attributes of the whole catalogue listing, ascending by video id."""

    catalogue_version: str
    video_ids: Int64Array
    columns: Mapping[str, Sequence[JsonValue]]
    unchanged_until: int | None
    newest_known_at: int


@dataclass(frozen=True, slots=True, eq=False)
class CatalogueFeatures:
    """Vectors of the whole catalogue listing: values float32[videos, fields]."""

    catalogue_version: str
    group: FeatureGroup
    values: Float32Array
    unchanged_until: int | None
    newest_known_at: int


@dataclass(frozen=True, slots=True, eq=False)
class AvailabilityBitmaps:
    """Licences of the whole catalogue listing: available bool[countries, videos].

    Countries ascend; one without any licence at the moment is not among them.
    """

    catalogue_version: str
    countries: tuple[str, ...]
    available: BoolArray
    unchanged_until: int | None
    newest_known_at: int


@dataclass(frozen=True, slots=True)
class DocumentVersion:
    """A document as it stood."""

    body: Mapping[str, JsonValue]
    schema_version: int
    unchanged_until: int | None
    newest_known_at: int


class FactReader(Protocol):
    """Answers what was visible at a moment.

    `unchanged_until` is the first later moment at which an answer may differ, None if it
    never will; where nothing is promised it is the moment asked for.
    """

    def feature_groups(self) -> Mapping[str, FeatureGroup]:
        """Return the registered feature groups by name, in order of name."""
        ...

    def features(self, group: str, entity_ids: Identities, at: Moments) -> FeatureRows:
        """Return one vector per row.

        Raises:
            UnknownFeatureGroup: Nobody registered the group.
            InvalidQuestion: There are not as many moments as entities.
        """
        ...

    def attributes(
        self, kind: EntityKind, entity_ids: Identities, at: Moments, names: Sequence[str]
    ) -> AttributeRows:
        """Return the named attributes of each row.

        Raises:
            InvalidQuestion: There are not as many moments as entities, or a name comes twice.
        """
        ...

    def history(
        self,
        profile_ids: Identities,
        at: Moments,
        kinds: Sequence[EventKind] = (),
        max_events: int = 0,
        since: Moments | None = None,
    ) -> HistoryRows:
        """Return the events of each row up to and including its moment.

        Args:
            profile_ids: One profile per row.
            at: Moments.
            kinds: Kinds to read; none means all.
            max_events: The newest so many of each row; 0 means all.
            since: Only events after this moment, not those at it; so windows that follow
                each other share none. None means from the first.

        Raises:
            InvalidQuestion: There are not as many moments as profiles.
        """
        ...

    def catalogue(self, at: int, names: Sequence[str]) -> CatalogueRows:
        """Return the listing with the named attributes at a moment."""
        ...

    def catalogue_features(self, group: str, at: int) -> CatalogueFeatures:
        """Return one feature group of videos for the whole listing.

        Raises:
            UnknownFeatureGroup: Nobody registered the group.
            InvalidQuestion: The group is not about videos.
        """
        ...

    def availability(self, at: int) -> AvailabilityBitmaps:
        """Return which videos of the listing are licensed in which countries."""
        ...

    def document(self, collection: str, name: str, at: int) -> DocumentVersion:
        """Return the visible version of a document.

        Raises:
            UnknownDocument: None is visible.
        """
        ...


def moments_per_row(at: Moments, rows: int) -> Int64Array:
    """Return one int64 moment per row.

    Raises:
        InvalidQuestion: There are neither one nor as many moments as rows.
    """
    moments = np.asarray(at, dtype=np.int64)
    if moments.ndim == 0:
        return np.full(rows, moments, dtype=np.int64)
    if moments.shape != (rows,):
        raise InvalidQuestion(
            f"There are {moments.size} moments for {rows} rows.",
            remedy="Give one for each row, or one for all.",
            field="as_of_micros",
        )
    return moments


def first_moments(since: Moments | None, rows: int) -> Int64Array:
    """Return for each row the moment after which its window begins.

    Raises:
        InvalidQuestion: There are neither one nor as many moments as rows.
    """
    return moments_per_row(EARLIEST_MICROS if since is None else since, rows)


def check_text(text: str, *, field: str) -> None:
    """Refuse text that no store can hold.

    Raises:
        InvalidQuestion: It has a null character.
    """
    if "\0" in text:
        raise InvalidQuestion(
            f"{text!r} has a null character.", remedy="Leave it out.", field=field
        )


def check_names(names: Sequence[str]) -> None:
    """Refuse attribute names that repeat or that no store can hold.

    Raises:
        InvalidQuestion: A name comes twice or has a null character.
    """
    for name in names:
        check_text(name, field="names")
    if len(set(names)) != len(names):
        raise InvalidQuestion(
            f"{list(names)} names an attribute twice.", remedy="Name each once.", field="names"
        )


def check_catalogue_group(group: FeatureGroup) -> None:
    """Refuse to read the whole catalogue from a group that is not about videos.

    Raises:
        InvalidQuestion: It is about something else.
    """
    if group.entity_kind is not EntityKind.VIDEO:
        raise InvalidQuestion(
            f"{group.name} is about a {group.entity_kind.name.lower()}.",
            remedy="Name a feature group of videos, or read it entity by entity.",
            field="group",
        )


def digest_listing(video_ids: Int64Array) -> str:
    """Return the catalogue version: 16 hex digits of SHA-256 over little-endian int64 ids."""
    return hashlib.sha256(video_ids.astype("<i8").tobytes()).hexdigest()[:16]


def newest(moments: Int64Array) -> int:
    """Return the newest moment, EARLIEST_MICROS of none."""
    return int(moments.max(initial=EARLIEST_MICROS))
