"""The configuration of the homepage: a document, read as of a moment, with an overlay.

Each section belongs to one service. A variant that lays an overlay over a section therefore
replaces the service that owns it, and only that one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from string import Formatter
from typing import TYPE_CHECKING, Annotated, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
)
from pydantic import model_validator as validate_model

from core.errors import InvalidInput
from core.moments import parse_moment
from services.errors import InvalidConfiguration, UnsupportedSchema
from services.page.model import Geometry, RowOrdering, RowType, SeenPolicy
from timetravel.errors import InvalidFact
from timetravel.facts.external_ids import check_external_id, hash_id
from timetravel.facts.model import LARGEST_ID, EntityKind

if TYPE_CHECKING:
    from timetravel.facts.model import JsonValue

SCHEMA_VERSION = 1
"""The schema version of configuration documents that this code reads."""

ASSEMBLER_SERVICE = "pagesim.assembler.v1.PageAssemblerService"
FILTERING_SERVICE = "pagesim.filtering.v1.FilteringService"
RANKING_SERVICE = "pagesim.ranking.v1.RankingService"
DEDUP_SERVICE = "pagesim.dedup.v1.DedupService"

SECTION_OWNERS: Mapping[str, str] = {
    "rows": ASSEMBLER_SERVICE,
    "geometry": ASSEMBLER_SERVICE,
    "row_selection": ASSEMBLER_SERVICE,
    "filtering": FILTERING_SERVICE,
    "ranking": RANKING_SERVICE,
    "dedup": DEDUP_SERVICE,
}
"""The full name of the service that reads each section."""

FAMILY_SEPARATOR = ":"
"""Stands between the id of a configured row and what it was unfolded for: "genre:Drama"."""


class SeenTitles(StrEnum):
    """Say whether titles that the profile has seen may be shown anywhere."""

    EXCLUDE = "exclude"
    ALLOW = "allow"


class SelectionPolicy(StrEnum):
    """Say how rows are chosen and ordered."""

    TEMPLATE = "template"
    BY_SCORE = "by_score"
    GREEDY = "greedy"


class DedupPolicy(StrEnum):
    """Say within what a video stands once; each policy includes those before it."""

    NONE = "none"
    ROW = "row"
    VIEWPORT = "viewport"
    PAGE = "page"


def _find_label(
    value: object, members: type[RowType | RowOrdering | SeenPolicy], *, noun: str
) -> object:
    labels = {member.label: member for member in members}
    if not isinstance(value, str) or value not in labels:
        raise ValueError(f"{value!r} is no {noun}; use one of {', '.join(labels)}")
    return labels[value]


def _row_type(value: object) -> object:
    return _find_label(value, RowType, noun="row type")


def _row_ordering(value: object) -> object:
    return _find_label(value, RowOrdering, noun="ordering")


def _moment(value: str) -> str:
    try:
        parse_moment(value)
    except InvalidInput:
        raise ValueError(
            f"{value!r} is not a moment; write 2024-06-15 or 2024-06-15T18:00Z"
        ) from None
    return value


def _seen_policy(value: object) -> object:
    return _find_label(value, SeenPolicy, noun="policy")


def _of_one_sort(value: object) -> object:
    if not isinstance(value, list):
        return value
    sorts = {type(one): one for one in value}
    if int in sorts and str in sorts:
        raise ValueError(
            f"{sorts[int]} is a whole number, {sorts[str][:40]!r} a text; give all videos as "
            "the store has them"
        )
    return tuple(value)


def _video_number(value: object) -> int:
    if isinstance(value, str):
        try:
            check_external_id(value, field="videos")
        except InvalidFact as error:
            problem, remedy = error.problem.removesuffix("."), error.remedy.removesuffix(".")
            raise ValueError(f"{problem}; {remedy[0].lower()}{remedy[1:]}") from None
        return hash_id(EntityKind.VIDEO, value)
    if type(value) is int and 0 <= value <= LARGEST_ID:
        return value
    raise ValueError(f"{value!r} is no video; give 0 or more, in 63 bits, or a text")


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


Text: TypeAlias = Annotated[str, Field(min_length=1)]
Moment: TypeAlias = Annotated[str, AfterValidator(_moment)]
Videos: TypeAlias = Annotated[
    tuple[Annotated[int, BeforeValidator(_video_number)], ...],
    BeforeValidator(_of_one_sort),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "array", "items": {"type": "integer"}},
                {"type": "array", "items": {"type": "string", "minLength": 1}},
            ]
        }
    ),
]
"""The numbers of videos, which a document gives by whole numbers or by texts."""


class RowTemplate(_Section):
    """Describe one configured row, or a family of rows (genres, seeds).

    `genres` of a genre row: left out, every genre of the catalogue. `seeds` of a because
    you watched row: titles that get a row each, of `candidates` similar ones. `videos` of an
    editorial row: in order, by whole numbers, or by texts where the store has those. `seen`
    says whether titles that the profile has seen are left out (exclude), come after all
    others (demote), or are treated like any other (allow); `filtering.seen` may allow them in
    all rows. `since` and `until` bound the moments of the pages that may have the row: the
    first one, and the first after. Titles may hold {country}, and {genre} or {title} where
    the row has one.
    """

    type: Annotated[RowType, BeforeValidator(_row_type)]
    title: Text
    ordering: Annotated[RowOrdering, BeforeValidator(_row_ordering)] = RowOrdering.MODEL
    prior: float = 0.0
    seen: Annotated[SeenPolicy, BeforeValidator(_seen_policy)] = SeenPolicy.EXCLUDE
    genres: tuple[Text, ...] | None = None
    seeds: Annotated[int, Field(ge=1, le=10)] | None = None
    candidates: Annotated[int, Field(ge=1, le=1000)] | None = None
    videos: Videos | None = None
    since: Moment | None = None
    until: Moment | None = None

    @validate_model(mode="after")
    def _is_shown_at_some_moment(self) -> Self:
        bounds = [parse_moment(bound) for bound in (self.since, self.until) if bound]
        if bounds != sorted(set(bounds)):
            raise ValueError(f"since {self.since} is not before until {self.until}")
        return self

    @validate_model(mode="after")
    def _fits_its_type(self) -> Self:
        only_for = {
            "genres": RowType.GENRE,
            "seeds": RowType.BECAUSE_YOU_WATCHED,
            "candidates": RowType.BECAUSE_YOU_WATCHED,
            "videos": RowType.EDITORIAL,
        }
        for name, row_type in only_for.items():
            if getattr(self, name) is not None and self.type is not row_type:
                raise ValueError(
                    f"{name} is for {row_type.label} rows; leave it out of a "
                    f"{self.type.label} row"
                )
        needed = {
            RowType.EDITORIAL: ("videos",),
            RowType.BECAUSE_YOU_WATCHED: ("seeds", "candidates"),
        }
        for name in needed.get(self.type, ()):
            if getattr(self, name) is None:
                raise ValueError(f"a {self.type.label} row needs {name}")
        allowed = {"country"}
        allowed |= {"genre"} if self.type is RowType.GENRE else set()
        allowed |= {"title"} if self.type is RowType.BECAUSE_YOU_WATCHED else set()
        for part in Formatter().parse(self.title):
            placeholder = part[1]
            if placeholder is not None and (placeholder not in allowed or any(part[2:])):
                raise ValueError(
                    f"{{{placeholder}}} cannot stand in this title; use {sorted(allowed)}"
                )
        return self


class DeviceGeometry(_Section):
    """Say how much of a page one device shows."""

    rows: Annotated[int, Field(ge=1, le=1000)]
    columns: Annotated[int, Field(ge=1, le=1000)]
    viewport_rows: Annotated[int, Field(ge=1)]
    viewport_columns: Annotated[int, Field(ge=1)]

    @validate_model(mode="after")
    def _viewport_lies_within(self) -> Self:
        if self.viewport_rows > self.rows or self.viewport_columns > self.columns:
            raise ValueError("the viewport must lie within rows x columns")
        return self

    @property
    def geometry(self) -> Geometry:
        """Return it as a geometry."""
        return Geometry(self.rows, self.columns, self.viewport_rows, self.viewport_columns)


class GeometrySection(_Section):
    """Say which devices there are; `default_device` serves requests that name none."""

    default_device: Text
    devices: Annotated[dict[Text, DeviceGeometry], Field(min_length=1)]

    @validate_model(mode="after")
    def _default_is_a_device(self) -> Self:
        if self.default_device not in self.devices:
            raise ValueError(
                f"default_device {self.default_device!r} is not among the devices "
                f"{sorted(self.devices)}"
            )
        return self


class Diversity(_Section):
    """Weigh redundancy in greedy row selection.

    A row's value is its score, less `overlap_weight` x the share of its leading videos that
    chosen rows already show, less `genre_weight` x how much of its leading videos' genres the
    page already covers; a genre is covered by `genre_saturation` videos.
    """

    overlap_weight: Annotated[float, Field(ge=0)] = 1.0
    genre_weight: Annotated[float, Field(ge=0)] = 0.5
    genre_saturation: Annotated[int, Field(ge=1)] = 30
    leading: Annotated[int, Field(ge=1, le=1000)] = 10


class RowSelectionSection(_Section):
    """Say which rows a page gets, and in which order.

    `template` lists row ids in their usual order, which is also the order of ties; rows that
    it leaves out come after, by id. `pins` fixes rows at an index (0 is the top).
    `maximum_per_type` bounds rows of a type. `candidate_depth` videos are kept per row, so
    that dedup can refill it, and `spare_rows` rows beyond the geometry. The leading
    `row_score_depth` videos make the score of a row.
    """

    policy: SelectionPolicy
    template: tuple[Text, ...]
    pins: dict[Text, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    maximum_per_type: dict[Text, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    candidate_depth: Annotated[int, Field(ge=1, le=10_000)] = 80
    spare_rows: Annotated[int, Field(ge=0, le=1000)] = 8
    row_score_depth: Annotated[int, Field(ge=1, le=1000)] = 6
    diversity: Diversity = Diversity()

    @validate_model(mode="after")
    def _agrees_with_itself(self) -> Self:
        if len(set(self.template)) != len(self.template):
            raise ValueError("template names a row twice")
        if len(set(self.pins.values())) != len(self.pins):
            raise ValueError("pins hold two rows at one place")
        for label in self.maximum_per_type:
            _row_type(label)
        return self

    def maximum_of(self, row_type: RowType) -> int | None:
        """Return how many rows of a type a page may have; None means any number."""
        return self.maximum_per_type.get(row_type.label)


class FilteringSection(_Section):
    """Say what a profile may see.

    A title counts as seen when it was rated, or played to `finished_share` of its length.
    Maturity is an age in years: a profile without a limit gets `default_maturity_limit`, a
    video without a maturity gets `default_video_maturity`.
    `device_capabilities` lists what devices can do, e.g. {tv: [hdr]}; a video whose attribute
    `requires` names anything else is not shown on them. Devices that it leaves out can do
    nothing special; left out itself, every device can show everything.
    """

    seen: SeenTitles = SeenTitles.EXCLUDE
    finished_share: Annotated[float, Field(gt=0, le=1)] = 0.9
    default_maturity_limit: Annotated[int, Field(ge=0)] = 0
    default_video_maturity: Annotated[int, Field(ge=0)] = 18
    device_capabilities: dict[Text, tuple[Text, ...]] | None = None


class RankingSection(_Section):
    """Say which model document ranks.

    Rows that have an order without the model (trending, new, popular) offer their first
    `candidate_depth` eligible videos to it.
    """

    model: Text
    candidate_depth: Annotated[int, Field(ge=1, le=10_000)] = 100


class DedupSection(_Section):
    """Say within which scope a video is shown only once.

    Rows in `exempt` keep their videos whatever other rows show, and do not count for others.
    A row left with fewer than `minimum_row_size` videos is dropped; `minimum_row_sizes` says
    otherwise for some. Rows are named by their id, or by the id they were unfolded from.
    """

    policy: DedupPolicy
    exempt: tuple[Text, ...] = ()
    minimum_row_size: Annotated[int, Field(ge=1, le=1000)] = 1
    minimum_row_sizes: dict[Text, Annotated[int, Field(ge=1, le=1000)]] = Field(
        default_factory=dict
    )

    def minimum_of(self, row_id: str) -> int:
        """Return how many videos a row must keep."""
        of_family = self.minimum_row_sizes.get(family_of(row_id), self.minimum_row_size)
        return self.minimum_row_sizes.get(row_id, of_family)


class PageConfiguration(_Section):
    """Describe how homepages are made."""

    rows: Annotated[dict[Text, RowTemplate], Field(min_length=1)]
    geometry: GeometrySection
    row_selection: RowSelectionSection
    filtering: FilteringSection
    ranking: RankingSection
    dedup: DedupSection
    description: str = ""

    @validate_model(mode="after")
    def _names_its_rows(self) -> Self:
        named = {
            "row_selection.template": self.row_selection.template,
            "row_selection.pins": tuple(self.row_selection.pins),
            "dedup.exempt": self.dedup.exempt,
            "dedup.minimum_row_sizes": tuple(self.dedup.minimum_row_sizes),
        }
        for row_id in self.rows:
            if FAMILY_SEPARATOR in row_id:
                raise ValueError(f"row id {row_id!r} must not hold {FAMILY_SEPARATOR!r}")
        for where, row_ids in named.items():
            for row_id in row_ids:
                if family_of(row_id) not in self.rows:
                    raise ValueError(f"{where} names {row_id!r}, which is not among rows")
        return self


def family_of(row_id: str) -> str:
    """Return the id of the configured row that a row was unfolded from."""
    return row_id.partition(FAMILY_SEPARATOR)[0]


def parse_configuration(
    body: Mapping[str, object], *, schema_version: int = SCHEMA_VERSION
) -> PageConfiguration:
    """Return the configuration that a document describes.

    Raises:
        UnsupportedSchema: The document has another schema version.
        InvalidConfiguration: It contradicts the schema or itself; every field is named.
    """
    if schema_version != SCHEMA_VERSION:
        raise UnsupportedSchema(
            f"The configuration has schema version {schema_version}.",
            remedy=f"This pagesim reads version {SCHEMA_VERSION}.",
            field="schema_version",
        )
    try:
        return PageConfiguration.model_validate_json(json.dumps(body))
    except ValidationError as error:
        faults = [
            (
                ".".join(str(part) for part in fault["loc"]) or "configuration",
                fault["msg"].removeprefix("Value error, "),
            )
            for fault in error.errors(include_url=False, include_context=False)
        ]
        raise InvalidConfiguration(
            "; ".join([faults[0][1], *(f"{where}: {text}" for where, text in faults[1:])])
            + ".",
            remedy="Fix the configuration document or the overlay laid over it.",
            field=faults[0][0],
        ) from None


def apply_overlay(
    document: Mapping[str, JsonValue], overlay: Mapping[str, JsonValue]
) -> dict[str, JsonValue]:
    """Return the document with a JSON merge patch laid over it (RFC 7396, section 2).

    Objects merge, null removes, everything else replaces. Neither argument is changed.
    """
    merged = dict(document)
    for name, value in overlay.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping):
            before = merged.get(name)
            merged[name] = apply_overlay(before if isinstance(before, Mapping) else {}, value)
        else:
            merged[name] = value
    return merged


def overlay_owners(overlay: Mapping[str, object]) -> frozenset[str]:
    """Return the services that an overlay changes.

    Raises:
        InvalidConfiguration: The overlay has a section that does not exist.
    """
    for section in overlay:
        if section not in SECTION_OWNERS:
            raise InvalidConfiguration(
                f"{section!r} is not a section.",
                remedy=f"Use one of {', '.join(sorted(SECTION_OWNERS))}.",
                field=section,
            )
    return frozenset(SECTION_OWNERS[section] for section in overlay)
