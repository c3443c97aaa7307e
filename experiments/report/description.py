"""The description of a run in its report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from experiments.metrics.options import MeasuredRun
    from timetravel.facts.model import JsonValue


@dataclass(frozen=True, slots=True)
class VariantDescription:
    """Say what a variant is: in words, and what it lays over the configuration."""

    name: str
    description: str
    overlay: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class VariantYield:
    """Say how many pages of a variant were asked for, how many failed, and why most did."""

    variant: str
    pages: int
    failures: int
    reason: str = ""

    @property
    def share(self) -> float:
        """Pages made, of those asked for."""
        return 1 - self.failures / self.pages

    @property
    def sentence(self) -> str:
        """What failed, in words."""
        return (
            f"{self.variant}: {self.failures:,} of {self.pages:,} pages could not be made "
            f"(yield {self.share:.1%}), most often because of {self.reason.rstrip('.')}."
        )


@dataclass(frozen=True, slots=True)
class RunDescription:
    """Say what was run.

    Args:
        name: The experiment's.
        description: What it asks, in its owner's words; may be empty.
        variants: Control first.
        measured: Where its pages are, and the snapshot it pinned.
        asked: Pages asked for, of all variants.
        failures: How many of them could not be made.
        yields: The same of each variant.
        experiment: The experiment file as a document.
        store: The store's URL without password.
        version: Of pagesim.
        started_at: RFC 3339.
    """

    name: str
    description: str
    variants: tuple[VariantDescription, ...]
    measured: MeasuredRun
    asked: int = 0
    failures: int = 0
    yields: tuple[VariantYield, ...] = ()
    experiment: Mapping[str, JsonValue] = field(default_factory=dict)
    store: str = ""
    version: str = ""
    started_at: str = ""
