"""The entries of an experiment file, as pydantic checks them one by one.

What must hold between entries is checked in `experiments.spec.validation`. Descriptions,
examples and bounds feed the messages, the JSON Schema and docs/experiment-file.md alike.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from core.errors import InvalidInput
from core.moments import parse_moment
from experiments.documents.entry import OWN_RULE, Entry
from experiments.documents.mistakes import show
from experiments.documents.patterns import NAME_PATTERN, PATTERNS, STRATUM_PATTERN
from experiments.notifications.channels import find_variable
from experiments.notifications.messages import (
    MAXIMUM_BODY,
    MAXIMUM_CHANNELS,
    MAXIMUM_OWNER_NAME,
    MAXIMUM_OWNERS,
    MAXIMUM_SUBJECT,
    MAXIMUM_VALUE,
    is_channel_name,
    is_email,
    is_owner_name,
)
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
_HARMLESS = re.compile(r"[A-Za-z0-9 _.-]{1,20}")
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


def _check_channel(text: str) -> str:
    if is_email(text) or is_channel_name(text):
        return text
    rule, joint = PATTERNS[NAME_PATTERN]
    slug = re.sub(r"[^a-z0-9]+", joint, text.casefold()).strip(joint)
    if "@" in text and not {":", "/"} & {*text}:
        problem = f"{show(text)} is no e-mail address."
        remedy = "Write one such as growth@example.com."
    elif _HARMLESS.fullmatch(text) and is_channel_name(slug):
        problem = f"{show(text)} is no e-mail address, and no name of a channel: {rule}."
        remedy = f"Write e.g. {slug}; {find_variable(slug)} then gives its address."
    else:
        problem = (
            "What stands here is neither an e-mail address nor the name of a channel; "
            "addresses with secrets do not belong in the file."
        )
        remedy = (
            f"Write a name, e.g. team-chat, and give the address in "
            f"{find_variable('team-chat')}."
        )
    raise PydanticCustomError(OWN_RULE, "{problem}", {"problem": problem, "remedy": remedy})


def _check_owner_name(text: str) -> str:
    if is_owner_name(text):
        return text
    told = {
        "problem": f"{show(text)} is not a name of one line, 1 to {MAXIMUM_OWNER_NAME} long.",
        "remedy": "Write the name that messages begin with, e.g. Growth.",
    }
    raise PydanticCustomError(OWN_RULE, "{problem}", told)


def _within(bounds: Bounds, default: Any = ..., **more: Any) -> Any:  # noqa: ANN401 - as pydantic's own Field
    return Field(default, ge=bounds.least, le=bounds.most, **more)


Name: TypeAlias = Annotated[str, Field(pattern=NAME_PATTERN)]
Stratum: TypeAlias = Annotated[str, Field(pattern=STRATUM_PATTERN)]
Description: TypeAlias = Annotated[str, Field(max_length=MAXIMUM_DESCRIPTION)]
Moment: TypeAlias = Annotated[str, AfterValidator(_check_moment)]
OwnerName: TypeAlias = Annotated[str, AfterValidator(_check_owner_name)]
Channel: TypeAlias = Annotated[str, AfterValidator(_check_channel)]
FieldValue: TypeAlias = Annotated[str, Field(min_length=1, max_length=MAXIMUM_VALUE)]
DefaultValue: TypeAlias = Annotated[str, Field(max_length=MAXIMUM_VALUE)]
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


class OwnerEntry(Entry):
    """One who is told of the start, of trouble and of the end.

    [Notifications](notifications.md) has more.
    """

    name: OwnerName = Field(
        description=f"As messages address them, at most {MAXIMUM_OWNER_NAME} characters; "
        "unique in the file.",
        examples=["Growth"],
    )
    channels: list[Channel] = Field(
        max_length=MAXIMUM_CHANNELS,
        json_schema_extra={"minItems": 1},
        description="E-mail addresses, and names of channels (made like those of variants) "
        f"whose addresses the operator gives: that of `team-chat` in "
        f"`{find_variable('team-chat')}`.",
        examples=["[growth@example.com, team-chat]"],
    )
    fields: dict[str, FieldValue] = Field(
        default_factory=dict,
        description="The owner's own fields, which templates may name. Names are lower-case "
        "letters, digits and `_`.",
        examples=["{team: growth}"],
    )


class TemplateEntry(Entry):
    """A message. Each part may name fields in braces, `{experiment}`."""

    subject: str = Field(
        "",
        max_length=MAXIMUM_SUBJECT,
        description="One line. Left out, that of the built-in message.",
        examples=['"{experiment} is {state}"'],
    )
    text: str = Field(
        min_length=1,
        max_length=MAXIMUM_BODY,
        description="The message as plain text, for chats and webhooks.",
        examples=['"{experiment} is {state}: {reason}"'],
    )
    html: str = Field(
        "",
        max_length=MAXIMUM_BODY,
        description="The message as HTML, for mail; values are escaped. Left out, the text.",
        examples=['"<p>{experiment} is {state}.</p>"'],
    )


class TemplatesEntry(Entry):
    """Messages in place of the built-in ones."""

    start: TemplateEntry | None = Field(
        default=None,
        description="When the first pages are about to be made.",
        examples=['{text: "{experiment} has started"}'],
    )
    trouble: TemplateEntry | None = Field(
        default=None,
        description="When a partition failed and is tried again.",
        examples=['{text: "{experiment}: {reason}"}'],
    )
    end: TemplateEntry | None = Field(
        default=None,
        description="When it has finished or failed.",
        examples=['{text: "{experiment} has {state}: {report}"}'],
    )


class NotificationsEntry(Entry):
    """In which words owners are told."""

    templates: TemplatesEntry = Field(
        default_factory=TemplatesEntry,
        description="Messages in place of the built-in ones.",
        examples=['{end: {text: "{experiment} has {state}: {report}"}}'],
    )
    defaults: dict[str, DefaultValue] = Field(
        default_factory=dict,
        description="What stands for a field that has no value: one that an owner lacks, or "
        "the report before there is one.",
        examples=["{report: not there yet}"],
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
    owners: list[OwnerEntry] = Field(
        default_factory=list,
        max_length=MAXIMUM_OWNERS,
        description="Who is told of the start, of trouble and of the end.",
        examples=["[{name: Growth, channels: [growth@example.com]}]"],
    )
    notifications: NotificationsEntry = Field(
        default_factory=NotificationsEntry,
        description="In which words owners are told.",
        examples=["{defaults: {report: not there yet}}"],
    )
