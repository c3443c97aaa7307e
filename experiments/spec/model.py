"""An experiment, as declared in its file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from core.moments import format_moment, to_micros
from experiments.documents.patterns import NAME_PATTERN, STRATUM_PATTERN
from experiments.errors import InvalidSpec
from experiments.notifications.messages import Notifications

if TYPE_CHECKING:
    from collections.abc import Mapping

    from timetravel.facts.model import JsonValue

DEVICE: Final = "device"
"""The stratum that comes from the page rather than from the profile."""

AS_OF: Final = "as-of"
"""Says in a file that facts are read as they were known at each page's own as-of."""

MINIMUM_VARIANTS: Final = 2
MAXIMUM_VARIANTS: Final = 100
MAXIMUM_STRATA: Final = 8
MAXIMUM_DESCRIPTION: Final = 2000


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bound a number, both ends included."""

    least: float
    most: float

    def check(self, value: float, name: str) -> None:
        """Raise InvalidSpec for a value out of bounds, naming the field."""
        _require(
            condition=self.least <= value <= self.most,
            problem=f"{value} is not within {self.least} and {self.most}.",
            name=name,
        )


SEED: Final = Bounds(0, 2**63 - 1)
PROFILES: Final = Bounds(1, 10_000_000)
PAGES_PER_PROFILE: Final = Bounds(1, 10_000)
SLICES: Final = Bounds(1, 1000)
CONCURRENT_STACKS: Final = Bounds(1, 64)
BATCH_PAGES: Final = Bounds(1, 1024)
REQUESTS_IN_FLIGHT: Final = Bounds(1, 64)
PAGE_YIELD: Final = Bounds(0, 1)
MOMENT: Final = Bounds(
    to_micros(datetime.min.replace(tzinfo=UTC)), to_micros(datetime.max.replace(tzinfo=UTC))
)


class ScopeSource(StrEnum):
    """Say where the pages of an experiment come from."""

    LOGGED_PAGES = "logged_pages"


@dataclass(frozen=True, slots=True)
class Window:
    """Bound moments in microseconds: [since, until)."""

    since_micros: int
    until_micros: int

    def __post_init__(self) -> None:
        MOMENT.check(self.since_micros, "scope.window.since")
        MOMENT.check(self.until_micros, "scope.window.until")
        _require(
            condition=self.since_micros < self.until_micros,
            problem=f"{format_moment(self.until_micros)} is not after since, "
            f"{format_moment(self.since_micros)}.",
            name="scope.window.until",
        )


@dataclass(frozen=True, slots=True)
class Scope:
    """Say for whom pages are made, and when.

    Args:
        source: Where moments and devices come from.
        window: Bounds the moments; None means all of them.
        profiles: How many are drawn.
        pages_per_profile: How many pages of each, at most.
        strata: Names of profile attributes, or "device", that divide the profiles.
    """

    source: ScopeSource
    window: Window | None
    profiles: int
    pages_per_profile: int
    strata: tuple[str, ...]

    def __post_init__(self) -> None:
        PROFILES.check(self.profiles, "scope.profiles")
        PAGES_PER_PROFILE.check(self.pages_per_profile, "scope.pages_per_profile")
        _require(
            condition=len(set(self.strata)) == len(self.strata) <= MAXIMUM_STRATA,
            problem=f"{list(self.strata)} must be at most {MAXIMUM_STRATA}, each once.",
            name="scope.strata",
        )
        for stratum in self.strata:
            _require_match(STRATUM_PATTERN, stratum, "scope.strata")


@dataclass(frozen=True, slots=True)
class Variant:
    """Say one way of making pages.

    Args:
        name: Unique in the experiment.
        description: For people.
        configuration: What it lays over production's configuration, by section (a merge
            patch, RFC 7396); empty means no change.
    """

    name: str
    description: str = ""
    configuration: Mapping[str, JsonValue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require_match(NAME_PATTERN, self.name, "variants.name")


@dataclass(frozen=True, slots=True)
class Limits:
    """Bound what an experiment takes, and what it may lose.

    Args:
        concurrent_stacks: Stacks that run at a time.
        batch_pages: Pages in one request.
        requests_in_flight: Requests under way at a time, per stack.
        page_yield: Share of pages of each variant and slice that must succeed.
    """

    concurrent_stacks: int = 2
    batch_pages: int = 512
    requests_in_flight: int = 2
    page_yield: float = 0.95

    def __post_init__(self) -> None:
        CONCURRENT_STACKS.check(self.concurrent_stacks, "limits.concurrent_stacks")
        BATCH_PAGES.check(self.batch_pages, "limits.batch_pages")
        REQUESTS_IN_FLIGHT.check(self.requests_in_flight, "limits.requests_in_flight")
        PAGE_YIELD.check(self.page_yield, "limits.page_yield")


@dataclass(frozen=True, slots=True)
class ExperimentSpec:
    """Say what to run.

    Args:
        name: Of the experiment.
        description: For people.
        seed: What decides the draw of profiles and pages.
        scope: For whom and when.
        slices: Slices of time; each variant has a partition per slice.
        variants: Control first.
        limits: What it takes and may lose.
        known_by_micros: Read facts as known by this moment; None means each page's as-of.
        notifications: Who is told of its start, trouble and end, and in which words.
    """

    name: str
    description: str
    seed: int
    scope: Scope
    slices: int
    variants: tuple[Variant, ...]
    limits: Limits
    known_by_micros: int | None = None
    notifications: Notifications = field(default_factory=Notifications)

    def __post_init__(self) -> None:
        _require_match(NAME_PATTERN, self.name, "experiment")
        SEED.check(self.seed, "seed")
        SLICES.check(self.slices, "slices")
        if self.known_by_micros is not None:
            MOMENT.check(self.known_by_micros, "known_by")
        names = [variant.name for variant in self.variants]
        _require(
            condition=MINIMUM_VARIANTS <= len(names) <= MAXIMUM_VARIANTS,
            problem=f"{len(names)} variants are not within {MINIMUM_VARIANTS} and "
            f"{MAXIMUM_VARIANTS}.",
            name="variants",
        )
        _require(
            condition=len(set(names)) == len(names),
            problem=f"{names} names a variant twice.",
            name="variants",
        )

    @property
    def control(self) -> Variant:
        """The variant that the others are compared with."""
        return self.variants[0]

    def to_document(self) -> dict[str, JsonValue]:
        """Return it as its file would say it, every key written out."""
        window: JsonValue = None
        if self.scope.window is not None:
            window = {
                "since": format_moment(self.scope.window.since_micros),
                "until": format_moment(self.scope.window.until_micros),
            }
        return {
            "experiment": self.name,
            "description": self.description,
            "seed": self.seed,
            "scope": {
                "source": self.scope.source.value,
                "window": window,
                "profiles": self.scope.profiles,
                "pages_per_profile": self.scope.pages_per_profile,
                "strata": list(self.scope.strata),
            },
            "slices": self.slices,
            "variants": [
                {
                    "name": variant.name,
                    "description": variant.description,
                    "configuration": dict(variant.configuration),
                }
                for variant in self.variants
            ],
            "limits": {
                "concurrent_stacks": self.limits.concurrent_stacks,
                "batch_pages": self.limits.batch_pages,
                "requests_in_flight": self.limits.requests_in_flight,
                "page_yield": self.limits.page_yield,
            },
            "known_by": AS_OF
            if self.known_by_micros is None
            else format_moment(self.known_by_micros),
            **self.notifications.to_documents(),
        }


def _require(*, condition: bool, problem: str, name: str) -> None:
    if not condition:
        raise InvalidSpec(problem, remedy="See docs/experiment-file.md.", field=name)


def _require_match(pattern: str, text: str, name: str) -> None:
    _require(
        condition=re.fullmatch(pattern, text) is not None,
        problem=f"{text!r} does not match {pattern}.",
        name=name,
    )
