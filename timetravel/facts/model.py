"""Facts: what was true since when, and since when the live system knew it.

Every moment is int64 microseconds since 1970-01-01 UTC. A fact has a key (what it is about)
and an op. Facts whose key holds a `valid_from` (features, attributes, documents) hold until
the next one; facts with an id (events, availability windows) are corrected by a fact with
the same id and a later `known_at`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from core.moments import FIRST_MICROS, LAST_MICROS
from timetravel.errors import InvalidFact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.arrays import Float32Array, Int64Array


JsonValue: TypeAlias = (
    "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
)

LARGEST_ID: Final = 2**63 - 1
ALLOCATION_PREFIX: Final = "allocation/"
"""Begins no attribute's name: allocations are kept under such names."""


class Op(IntEnum):
    """What a fact does."""

    ASSERT = 0
    """There is this value."""
    ABSENT = 1
    """There is none."""
    RETRACT = 2
    """The fact with the same key was wrong: look at the version before."""


class EntityKind(IntEnum):
    """What a fact is about; numbers as in pagesim.timetravel.v1.EntityKind."""

    PROFILE = 1
    VIDEO = 2


class FactKind(IntEnum):
    """What a fact says; numbers as in pagesim.timetravel.v1.FactKind."""

    FEATURES = 1
    ATTRIBUTE = 2
    ALLOCATION = 3
    AVAILABILITY = 4
    EVENT = 5
    DOCUMENT = 6
    LOGGED_PAGE = 7


class EventKind(IntEnum):
    """What a member did; numbers as in pagesim.timetravel.v1.EventKind."""

    PLAY = 1
    """value: the share watched, 0 to 1."""
    RATING = 2
    """value: stars, 0.5 to 5."""
    THUMB = 3
    """value: 1 (up) or -1 (down)."""
    LIST = 4
    """value: 1 (put on the list) or 0 (taken off)."""
    IMPRESSION = 5
    """no value."""


@dataclass(frozen=True, slots=True)
class FeatureGroup:
    """One producer's vector of float32 fields, written and read as one."""

    name: str
    entity_kind: EntityKind
    schema_version: int
    fields: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_name(self.name, field="name")
        if self.schema_version < 1:
            raise InvalidFact(
                f"The schema version of {self.name} is {self.schema_version}.",
                remedy="Versions count from 1.",
                field="schema_version",
            )
        if not self.fields or len(set(self.fields)) != len(self.fields):
            raise InvalidFact(
                f"The fields of {self.name} are {list(self.fields)}.",
                remedy="Name at least one, and none twice.",
                field="fields",
            )


@dataclass(frozen=True, slots=True, eq=False)
class FeatureFact:
    """One vector of a feature group; NaN inside it means that a field is missing."""

    group: str
    entity_id: int
    valid_from: int
    known_at: int
    values: Float32Array | None
    op: Op = Op.ASSERT

    def __post_init__(self) -> None:
        _check_id(self.entity_id, field="entity_id")
        _check_moments(self.valid_from, self.known_at)
        _check_value(self.op, present=self.values is not None, field="values")
        if self.values is not None and (
            self.values.dtype != np.float32 or self.values.ndim != 1
        ):
            raise InvalidFact(
                f"Values have shape {self.values.shape} and type {self.values.dtype}.",
                remedy="Give one row of float32.",
                field="values",
            )


@dataclass(frozen=True, slots=True)
class AttributeFact:
    """One named value of an entity. An asserted None is JSON's null."""

    kind: EntityKind
    entity_id: int
    name: str
    valid_from: int
    known_at: int
    value: JsonValue
    op: Op = Op.ASSERT

    def __post_init__(self) -> None:
        _check_id(self.entity_id, field="entity_id")
        _check_name(self.name, field="name")
        if self.name.startswith(ALLOCATION_PREFIX):
            raise InvalidFact(
                f"{self.name!r} is a name under which allocations are kept.",
                remedy="Give an AllocationFact, or the attribute another name.",
                field="name",
            )
        _check_moments(self.valid_from, self.known_at)
        if self.value is not None:
            _check_value(self.op, present=True, field="value")


@dataclass(frozen=True, slots=True)
class AllocationFact:
    """The cell of an A/B test that a profile is in. An asserted None says: in no cell."""

    profile_id: int
    test: str
    valid_from: int
    known_at: int
    cell: str | None
    op: Op = Op.ASSERT

    def __post_init__(self) -> None:
        _check_id(self.profile_id, field="profile_id")
        _check_name(self.test, field="test")
        _check_moments(self.valid_from, self.known_at)
        if self.cell is not None:
            _check_name(self.cell, field="cell")
            _check_value(self.op, present=True, field="cell")


@dataclass(frozen=True, slots=True)
class AvailabilityFact:
    """A licence to show a video in a country during [valid_from, valid_to)."""

    window_id: str
    video_id: int
    country: str
    valid_from: int
    valid_to: int
    known_at: int
    op: Op = Op.ASSERT

    def __post_init__(self) -> None:
        _check_name(self.window_id, field="window_id")
        _check_id(self.video_id, field="video_id")
        _check_name(self.country, field="country")
        _check_moments(self.valid_from, self.known_at)
        if not self.valid_from < self.valid_to <= LAST_MICROS:
            raise InvalidFact(
                f"The window {self.window_id} ends at {self.valid_to} and begins at "
                f"{self.valid_from}.",
                remedy="It must end later than it begins, in microseconds since 1970.",
                field="valid_to",
            )


@dataclass(frozen=True, slots=True)
class Attribution:
    """Where on which logged page a member did something, as the live system recorded it.

    shown_at names the profile's page; row_id the row, and position the place in it, from 0.
    """

    shown_at: int
    row_id: str
    position: int

    def __post_init__(self) -> None:
        _check_moments(self.shown_at, self.shown_at)
        _check_name(self.row_id, field="attribution.row_id")
        _check_id(self.position, field="attribution.position")


@dataclass(frozen=True, slots=True)
class EventFact:
    """Something a member did with a video."""

    event_id: str
    profile_id: int
    event_at: int
    kind: EventKind
    video_id: int
    value: float | None
    known_at: int
    op: Op = Op.ASSERT
    attribution: Attribution | None = None

    def __post_init__(self) -> None:
        _check_name(self.event_id, field="event_id")
        _check_id(self.profile_id, field="profile_id")
        _check_id(self.video_id, field="video_id")
        _check_moments(self.event_at, self.known_at)
        if self.value is not None and not abs(self.value) < float("inf"):
            raise InvalidFact(
                f"The value of event {self.event_id} is {self.value}.",
                remedy="Give a finite number, or None where the kind has no value.",
                field="value",
            )


@dataclass(frozen=True, slots=True)
class DocumentFact:
    """One version of a JSON document, e.g. a configuration or a model."""

    collection: str
    name: str
    valid_from: int
    known_at: int
    schema_version: int
    body: Mapping[str, JsonValue] | None
    op: Op = Op.ASSERT

    def __post_init__(self) -> None:
        _check_name(self.collection, field="collection")
        _check_name(self.name, field="name")
        _check_moments(self.valid_from, self.known_at)
        _check_value(self.op, present=self.body is not None, field="body")


@dataclass(frozen=True, slots=True, eq=False)
class LoggedFeatures:
    """Vectors of one feature group as a page used them.

    entity_ids, known_at and valid_from are int64[n]; values is float32[n, fields].
    """

    group: str
    entity_ids: Int64Array
    values: Float32Array
    known_at: Int64Array
    valid_from: Int64Array

    def __post_init__(self) -> None:
        count = len(self.entity_ids)
        if (
            self.values.ndim != 2  # noqa: PLR2004 - a matrix
            or {len(self.values), len(self.known_at), len(self.valid_from)} != {count}
        ):
            raise InvalidFact(
                f"Logged features of {self.group} have {count} entities and values of shape "
                f"{self.values.shape}.",
                remedy="Give one row of values, one known_at and one valid_from each.",
                field="features",
            )


@dataclass(frozen=True, slots=True, eq=False)
class LoggedPageFact:
    """A page that the live system really showed, or that it did not show one.

    page holds the canonical bytes of pagesim.page.v1.Page; page_digest is theirs. A profile
    has one page at a moment, so a fact that says "absent" or "retract" withdraws it, and
    `withdraw` makes it.
    """

    profile_id: int
    shown_at: int
    known_at: int
    device: str
    context: Mapping[str, JsonValue]
    page: bytes
    page_digest: str
    features: tuple[LoggedFeatures, ...] = ()
    op: Op = Op.ASSERT

    @classmethod
    def withdraw(
        cls, profile_id: int, shown_at: int, known_at: int, op: Op = Op.RETRACT
    ) -> LoggedPageFact:
        """Return the fact that no such page was shown to a member, e.g. but to a bot."""
        return cls(profile_id, shown_at, known_at, "", {}, b"", "", op=op)

    def __post_init__(self) -> None:
        _check_id(self.profile_id, field="profile_id")
        _check_moments(self.shown_at, self.known_at)
        if self.op is Op.ASSERT:
            _check_name(self.device, field="device")
            _check_name(self.page_digest, field="page_digest")
        elif self.device or self.context or self.page or self.page_digest or self.features:
            raise InvalidFact(
                f"A fact that says {self.op.name} has a page.",
                remedy="Only an asserted fact has one; see LoggedPageFact.withdraw.",
                field="page",
            )
        groups = [logged.group for logged in self.features]
        if len(set(groups)) != len(groups):
            raise InvalidFact(
                f"Features were logged for {groups}.",
                remedy="Log each group once.",
                field="features",
            )


Fact: TypeAlias = (
    FeatureFact
    | AttributeFact
    | AllocationFact
    | AvailabilityFact
    | EventFact
    | DocumentFact
    | LoggedPageFact
)


def canonical_json(value: JsonValue) -> str:
    """Return JSON with sorted keys and no white space.

    Raises:
        InvalidFact: The value holds NaN, an infinity or something that JSON has no word for.
    """
    try:
        text = json.dumps(
            value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
        text.encode()  # lone surrogates are text to Python and to nobody else
    except (TypeError, ValueError) as error:
        raise InvalidFact(
            f"{value!r} is not JSON: {error}.",
            remedy="Use null, booleans, finite numbers, text, lists and objects.",
            field="value",
        ) from error
    return text


def _check_id(identity: int, *, field: str) -> None:
    if not 0 <= identity <= LARGEST_ID:
        raise InvalidFact(
            f"{identity} is not an id.", remedy="Ids are 0 or more, in 63 bits.", field=field
        )


def _check_name(name: str, *, field: str) -> None:
    if not name or "\0" in name or not _is_unicode(name):
        raise InvalidFact(
            f"{name!r} is not a name.",
            remedy="Give text without null characters and lone surrogates.",
            field=field,
        )


def _is_unicode(name: str) -> bool:
    return name.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in name)


def _check_moments(valid_from: int, known_at: int) -> None:
    if not FIRST_MICROS <= valid_from <= LAST_MICROS:
        _refuse_moment(valid_from, field="valid_from")
    if not FIRST_MICROS <= known_at <= LAST_MICROS:
        _refuse_moment(known_at, field="known_at")


def _refuse_moment(moment: int, *, field: str) -> None:
    raise InvalidFact(
        f"{moment} microseconds lie outside the years 1 to 9999.",
        remedy="Give microseconds since 1970-01-01 UTC.",
        field=field,
    )


def _check_value(op: Op, *, present: bool, field: str) -> None:
    if present != (op is Op.ASSERT):
        raise InvalidFact(
            f"A fact that says {op.name} {'has a' if present else 'has no'} value.",
            remedy="Only an asserted fact has a value, and it must.",
            field=field,
        )
