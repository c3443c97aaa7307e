"""The experiment file: its content, and every mistake in it at once."""

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
from experiments.spec.names import KnownNames
from experiments.spec.validation import read_document

__all__ = [
    "ExperimentSpec",
    "KnownNames",
    "Limits",
    "Scope",
    "ScopeSource",
    "Variant",
    "Window",
    "load_spec",
    "read_document",
]
