"""Loads a mapping from its file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from experiments.documents.mistakes import Mistake, refuse, show
from experiments.documents.wording import describe_error
from experiments.documents.yaml_source import MAXIMUM_BYTES, Purpose, read_source
from experiments.errors import DataNotFound, InvalidMapping
from experiments.ingest.mapping.entries import KINDS, MappingEntry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from experiments.documents.mistakes import Path as DocumentPath
    from timetravel.facts.model import JsonValue

MAPPING: Final = Purpose("mapping", "a", "Begin with one of the examples in docs/ingest.md.")


@dataclass(frozen=True, slots=True)
class LoadedMapping:
    """What a mapping file says.

    Attributes:
        path: Of the file.
        kind: Of the facts, a key of `KINDS`.
        entry: Its entries; of the type that the kind has.
        lines: The line of each place in the file.
        digest: Of the file and the kind.
    """

    path: Path
    kind: str
    entry: MappingEntry
    lines: Mapping[DocumentPath, int]
    digest: str

    def refuse(self, mistakes: list[Mistake]) -> Exception:
        """Return the error that tells mistakes found later, by line."""
        return refuse(mistakes, self.lines, str(self.path), InvalidMapping)

    def columns(self) -> dict[DocumentPath, str]:
        """Return the name of each column that is read, by its place in the file."""
        return dict(_find_columns(self.entry.model_dump(), ()))


def load_mapping(path: Path, kind: str) -> LoadedMapping:
    """Return the mapping that a file describes.

    Args:
        path: A YAML file; docs/ingest.md describes it.
        kind: Of the facts, a key of `KINDS`.

    Raises:
        DataNotFound: There is no such file, or it cannot be read.
        InvalidMapping: It describes no mapping; every mistake is named, with its line.
    """
    data = _read(path)
    source = read_source(data, MAPPING)
    found = list(source.mistakes)
    if () not in source.unreadable:
        found += [
            mistake
            for mistake in _find_mistakes(source.value, KINDS[kind])
            if not any(mistake.path[: len(place)] == place for place in source.unreadable)
        ]
    if found:
        raise refuse(found, source.lines, str(path), InvalidMapping)
    digest = hashlib.sha256(kind.encode() + b"\0" + data).hexdigest()
    return LoadedMapping(
        path, kind, KINDS[kind].model_validate(source.value), source.lines, digest
    )


def _find_mistakes(document: JsonValue, root: type[MappingEntry]) -> Iterator[Mistake]:
    try:
        root.model_validate(document)
    except ValidationError as error:
        for fault in error.errors(include_url=False):
            yield describe_error(fault, root)


def _find_columns(value: object, place: DocumentPath) -> Iterator[tuple[DocumentPath, str]]:
    if not isinstance(value, dict):
        return
    for key, inner in value.items():
        here = (*place, key)
        if (key == "column" or (key == "vector" and not place)) and isinstance(inner, str):
            yield here, inner
        elif key == "columns" and isinstance(inner, list):
            for number, name in enumerate(inner):
                yield (*here, number), name
        elif key == "values" and not place and isinstance(inner, dict):
            yield from _find_value_columns(inner, here)
        elif key != "constant":
            yield from _find_columns(inner, here)


def _find_value_columns(
    values: dict[str, object], place: DocumentPath
) -> Iterator[tuple[DocumentPath, str]]:
    for field, source in values.items():
        if isinstance(source, str):
            yield (*place, field), source
        else:
            yield from _find_columns(source, (*place, field))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAXIMUM_BYTES + 1)
    except OSError as error:
        raise DataNotFound(
            f"{path} cannot be read: {error.strerror}.",
            remedy="Name a mapping file; docs/ingest.md has examples.",
            field="--mapping",
        ) from error


def find_wrong_columns(mapping: LoadedMapping, present: list[str], path: Path) -> list[Mistake]:
    """Return a mistake for each column that a data file lacks, or has more than once."""
    shown = ", ".join(map(show, present[:20])) + (", ..." if len(present) > 20 else "")  # noqa: PLR2004 - a line
    found = []
    for place, name in mapping.columns().items():
        count = present.count(name)
        if not count:
            has = f"It has {shown}." if present else "It has none."
            found.append(Mistake(place, f"{path} has no column {show(name)}.", has))
        elif count > 1:
            twice = f"{path} has the column {show(name)} {count} times."
            found.append(Mistake(place, twice, "Rename all but one in the file."))
    return found
