"""Loads an experiment from its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.documents.mistakes import refuse
from experiments.documents.yaml_source import MAXIMUM_BYTES, read_source
from experiments.errors import SpecNotFound
from experiments.spec.names import find_unknown_names
from experiments.spec.overlays import default_configuration
from experiments.spec.validation import (
    find_configuration_mistakes,
    find_mistakes,
    read_document,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from experiments.documents import mistakes
    from experiments.spec.model import ExperimentSpec
    from experiments.spec.names import KnownNames
    from timetravel.facts.model import JsonValue


def load_spec(
    path: Path,
    *,
    production: Mapping[str, JsonValue] | None = None,
    names: KnownNames | None = None,
) -> ExperimentSpec:
    """Return the experiment that a file describes.

    Args:
        path: A YAML file; docs/experiment-file.md describes it.
        production: The configuration that variants change; the one that worlds start with
            if left out.
        names: Of the store that will be read; names are not looked at if left out.

    Raises:
        SpecNotFound: There is no such file, or it cannot be read.
        InvalidSpec: It describes no experiment; every mistake is named, with its line.
    """
    source = read_source(_read(path))
    found = list(source.mistakes)
    if () not in source.unreadable:
        base = default_configuration() if production is None else production
        found += [
            mistake
            for mistake in (
                *find_mistakes(source.value),
                *find_configuration_mistakes(source.value, base),
                *(find_unknown_names(source.value, names) if names else ()),
            )
            if not _follows(mistake.path, source.unreadable)
        ]
    if found:
        raise refuse(found, source.lines, str(path))
    return read_document(source.value)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAXIMUM_BYTES + 1)
    except FileNotFoundError:
        raise SpecNotFound(
            f"{path} is not there.",
            remedy="Name an experiment file, e.g. examples/demo.yaml.",
            field="EXPERIMENT",
        ) from None
    except OSError as error:
        raise SpecNotFound(
            f"{path} cannot be read: {error.strerror}.",
            remedy="Name an experiment file that you may read, e.g. examples/demo.yaml.",
            field="EXPERIMENT",
        ) from error


def _follows(path: mistakes.Path, unreadable: set[mistakes.Path]) -> bool:
    """Return whether a value is wrong only because it, or what holds it, was not read."""
    return any(path[:length] in unreadable for length in range(len(path) + 1))
