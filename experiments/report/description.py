"""What a report says about a run beside its figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from experiments.metrics.options import MeasuredRun
    from timetravel.model import JsonValue


@dataclass(frozen=True, slots=True)
class VariantDescription:
    """Say what a variant is: in words, and what it lays over the configuration."""

    name: str
    description: str
    overlay: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class RunDescription:
    """Say what was run.

    Args:
        name: The experiment's.
        description: What it asks, in its owner's words; may be empty.
        variants: Control first.
        measured: Where its pages are, and the snapshot it pinned.
        seed: What drew the profiles.
    """

    name: str
    description: str
    variants: tuple[VariantDescription, ...]
    measured: MeasuredRun
    seed: int | None = None
