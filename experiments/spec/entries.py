"""The entries of an experiment file, as pydantic checks them one by one.

What must hold between entries is checked in `experiments.spec.validation`. Descriptions,
examples and bounds feed the messages, the JSON Schema and docs/experiment-file.md alike.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from core.errors import InvalidInput
from core.moments import parse_moment
from experiments.documents.entry import OWN_RULE, Entry
from experiments.documents.mistakes import show
from experiments.documents.patterns import NAME_PATTERN, STRATUM_PATTERN
from experiments.spec.model import (
    AS_OF,
    BATCH_PAGES,
    CONCURRENT_STACKS,
    MAXIMUM_DESCRIPTION,
    MAXIMUM_STRATA,
    MAXIMUM_VARIANTS,
    MINIMUM_VARIANTS,
    MOMENT,
    PAGE_YIELD,
    PAGES_PER_PROFILE,
    PROFILES,
    REQUESTS_IN_FLIGHT,
    SEED,
    SLICES,
    Bounds,
    Limits,
)

_MOMENT_LENGTH = 40
_DEFAULTS = Limits()


def _check_moment(text: str) -> str:
    remedy = "Write a date (2018-05-01) or a time with zone (2018-05-01T12:00:00Z)."
    problem = f"{show(text)} is not a moment."
    try:
        if MOMENT.least <= parse_moment(text) <= MOMENT.most:
            return text
    except InvalidInput as error:
        if len(text) <= _MOMENT_LENGTH:
            problem, remedy = error.problem, error.remedy
    raise PydanticCustomError(OWN_RULE, "{problem}", {"problem": problem, "remedy": remedy})


def _check_known_by(text: str) -> str:
    if text == AS_OF:
        return text
    try:
        return _check_moment(text)
    except PydanticCustomError as error:
        told = dict(error.context or {})
        told["remedy"] = f"Write {AS_OF}, or a moment such as 2018-05-01T12:00:00Z."
        raise PydanticCustomError(OWN_RULE, "{problem}", told) from None


def _within(bounds: Bounds, default: Any = ..., **more: Any) -> Any:  # noqa: ANN401 - as pydantic's own Field
    return Field(default, ge=bounds.least, le=bounds.most, **more)


Name: TypeAlias = Annotated[str, Field(pattern=NAME_PATTERN)]
Stratum: TypeAlias = Annotated[str, Field(pattern=STRATUM_PATTERN)]
Description: TypeAlias = Annotated[str, Field(max_length=MAXIMUM_DESCRIPTION)]
Moment: TypeAlias = Annotated[str, AfterValidator(_check_moment)]
KnownBy: TypeAlias = Annotated[str, AfterValidator(_check_known_by)]


class WindowEntry(Entry):
    """The moments from which pages are taken: `since` is the first, `until` the first after.

    A moment is a date, which means its midnight in UTC, or a time with its zone, e.g.
    `2018-05-01T12:00:00Z`. Quotes are not needed.
    """

    since: Moment = Field(description="The first moment.", examples=["2018-01-01"])
    until: Moment = Field(
        description="The first moment after the window; later than `since`.",
        examples=["2018-07-01"],
    )


class ScopeEntry(Entry):
    """For whom pages are made, and at which moments. The same for every variant."""

    source: Literal["logged_pages"] = Field(
        "logged_pages",
        description="Where moments and devices come from: each page is made for a profile, at "
        "the moment and on the device of a page that was really shown to it.",
        examples=["logged_pages"],
    )
    window: WindowEntry | None = Field(
        None,
        description="Bounds the moments. Left out, all logged pages count.",
        examples=["{since: 2018-01-01, until: 2018-07-01}"],
    )
    profiles: int = _within(
        PROFILES,
        description="How many profiles are drawn. Refused if fewer have a logged page in the "
        "window.",
        examples=[500],
    )
    pages_per_profile: int = _within(
        PAGES_PER_PROFILE,
        1,
        description="How many pages are made for each of them, at most; drawn from its "
        "logged pages.",
        examples=[1],
    )
    strata: list[Stratum] = Field(
        default_factory=list,
        max_length=MAXIMUM_STRATA,
        description="Names of attributes that profiles in the store have, or `device`. "
        "Profiles are drawn from each combination of their values in proportion, and results "
        "are given for each; profiles without an attribute are apart from those of any value.",
        examples=["[country]"],
    )


class VariantEntry(Entry):
    """One way of making pages."""

    name: Name = Field(
        description="Unique in the file: a lower-case letter, then up to 39 lower-case "
        "letters, digits and `-`.",
        examples=["popular-first"],
    )
    description: Description = Field(
        "", description="Free text, shown in reports.", examples=["Ranks by popularity"]
    )
    configuration: dict[str, Any] = Field(
        default_factory=dict,
        description="What the variant changes; see below. Left out, it changes nothing.",
        examples=["{ranking: {model: popularity}}"],
    )


class LimitsEntry(Entry):
    """What the experiment takes, and what it may lose."""

    concurrent_stacks: int = _within(
        CONCURRENT_STACKS,
        _DEFAULTS.concurrent_stacks,
        description="Stacks that run at a time; the other partitions wait.",
        examples=[2],
    )
    batch_pages: int = _within(
        BATCH_PAGES,
        _DEFAULTS.batch_pages,
        description="Pages in one request.",
        examples=[512],
    )
    requests_in_flight: int = _within(
        REQUESTS_IN_FLIGHT,
        _DEFAULTS.requests_in_flight,
        description="Requests under way at a time, per stack.",
        examples=[2],
    )
    page_yield: float = _within(
        PAGE_YIELD,
        _DEFAULTS.page_yield,
        description="Share of pages of each variant, and of each of its slices, that must "
        "succeed. With fewer the run fails, as soon as 200 of them, or all, were tried.",
        examples=[0.95],
    )


class ExperimentEntry(Entry):
    """The whole file."""

    experiment: Name = Field(
        description="Its name: a lower-case letter, then up to 39 lower-case letters, digits "
        "and `-`.",
        examples=["rank-or-select"],
    )
    description: Description = Field(
        "",
        description="Free text, shown in reports.",
        examples=["What do members lose by popularity?"],
    )
    seed: int = _within(
        SEED,
        description="Decides which profiles and pages are drawn: the same seed, the same draw.",
        examples=[7],
    )
    scope: ScopeEntry = Field(
        description="For whom pages are made, and at which moments.",
        examples=["{profiles: 500}"],
    )
    slices: int = _within(
        SLICES,
        1,
        description="Slices of time, each with as many pages as the next. A variant and a "
        "slice make a partition, which has a stack of its own.",
        examples=[2],
    )
    variants: list[VariantEntry] = Field(
        description="Ways of making pages; the first is the control, with which the others "
        "are compared.",
        examples=["[{name: control}, {name: popular-first}]"],
        json_schema_extra={"minItems": MINIMUM_VARIANTS, "maxItems": MAXIMUM_VARIANTS},
    )
    limits: LimitsEntry = Field(
        default_factory=LimitsEntry,
        description="What the experiment takes, and what it may lose.",
        examples=["{concurrent_stacks: 2}"],
    )
    known_by: KnownBy = Field(
        AS_OF,
        description=f"`{AS_OF}`: facts are read as they were known at each page's own moment. "
        "A moment: as they were known then, so that one later than a correction shows what "
        "the correction changes.",
        examples=[AS_OF],
    )
