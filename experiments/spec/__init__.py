"""The experiment file: what it says, and every mistake in it at once."""

from __future__ import annotations

from experiments.spec.loading import load_spec
from experiments.spec.model import (
    ExperimentSpec,
    Limits,
    Scope,
    ScopeSource,
    Variant,
    Window,
)

__all__ = [
    "ExperimentSpec",
    "Limits",
    "Scope",
    "ScopeSource",
    "Variant",
    "Window",
    "load_spec",
]
