"""What is measured, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from experiments.metrics.definitions.definition import LOGGED
from experiments.metrics.errors import InvalidMetricOptions
from experiments.metrics.inputs.played import EngagementWindow

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class MetricOptions:
    """Say what is measured, and in how large pieces."""

    engagement: EngagementWindow = field(default_factory=EngagementWindow)
    pages_per_slice: int = 4_096

    def __post_init__(self) -> None:
        if self.pages_per_slice < 1:
            raise InvalidMetricOptions(
                f"Slices of {self.pages_per_slice} pages hold nothing.",
                remedy="Give 1 or more.",
                field="pages_per_slice",
            )


@dataclass(frozen=True, slots=True)
class MeasuredRun:
    """Say which pages are measured, and which facts they are judged by.

    Args:
        directory: Holds pages/ and rows/.
        variants: Control first.
        snapshot: The append position that the run pinned.
        known_by: What the run read facts by, in microseconds; None means each page's as-of.
        population: Profiles that the pages were drawn from, by stratum; empty if unknown.
    """

    directory: Path
    variants: tuple[str, ...]
    snapshot: int
    known_by: int | None = None
    population: Mapping[str, int] = field(default_factory=dict)

    @property
    def references(self) -> Mapping[str, str]:
        """With what each variant is compared: treatments with control, control with logged."""
        control, *treatments = self.variants
        return {control: LOGGED, **dict.fromkeys(treatments, control)}
