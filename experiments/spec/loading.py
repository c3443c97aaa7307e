"""Loads an experiment from its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.documents.mistakes import locate, refuse_located
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
    from experiments.documents.mistakes import LocatedMistake
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
    return read_spec(read_file(path), str(path), production=production, names=names)


def read_spec(
    data: bytes,
    name: str,
    *,
    production: Mapping[str, JsonValue] | None = None,
    names: KnownNames | None = None,
) -> ExperimentSpec:
    """Return the experiment that the bytes of a file describe.

    Args:
        data: The file.
        name: What messages call it.
        production: See `load_spec`.
        names: See `load_spec`.

    Raises:
        InvalidSpec: They describe no experiment; every mistake is named, with its line.
    """
    document, mistakes = _examine(data, production, names)
    if mistakes:
        raise refuse_located(mistakes, name)
    return read_document(document)


def find_file_mistakes(
    data: bytes, names: KnownNames | None = None
) -> tuple[LocatedMistake, ...]:
    """Return every mistake in the bytes of a file, by line; see `read_spec`."""
    _, mistakes = _examine(data, None, names)
    return mistakes


def read_file(path: Path) -> bytes:
    """Return the bytes of an experiment file; of one that is too large, too many.

    Raises:
        SpecNotFound: There is no such file, or it cannot be read.
    """
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


def _examine(
    data: bytes, production: Mapping[str, JsonValue] | None, names: KnownNames | None
) -> tuple[JsonValue, tuple[LocatedMistake, ...]]:
    """Return what the bytes of a file say, and what is wrong with it."""
    source = read_source(data)
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
    return source.value, locate(found, source.lines)


def _follows(path: mistakes.Path, unreadable: set[mistakes.Path]) -> bool:
    """Return whether a value is wrong only because it, or what holds it, was not read."""
    return any(path[:length] in unreadable for length in range(len(path) + 1))
