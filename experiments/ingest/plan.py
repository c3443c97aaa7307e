"""What is ingested and how, decided before the first record is read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from core.errors import InvalidInput
from experiments.documents.mistakes import Mistake, advise, show
from experiments.errors import DataNotFound
from experiments.ingest.files.files import open_files
from experiments.ingest.mapping.entries import FeaturesEntry, MappingEntry
from experiments.ingest.mapping.mapping import find_wrong_columns
from experiments.ingest.mapping.sources import MomentEntry
from experiments.ingest.records.facts import ENTITY_KINDS
from timetravel.database.registry import RegisteredGroup, Registry
from timetravel.facts.model import FeatureGroup

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from experiments.ingest.files.slices import DataFile
    from experiments.ingest.mapping.mapping import LoadedMapping

INGEST_TIME: Final = "ingest-time"
_READ_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Plan:
    """Files, and how they are read.

    Attributes:
        files: In the order in which they are read.
        columns: Names of the columns that are read.
        entry: What the mapping says; known_at is None where it is the moment of ingest.
        stream: Name of the stream.
        source: Who says so.
        content: Digest of the files.
        reading: Digest of how they are read.
        group: Feature group to register first.
        registry: The feature groups of the store, with that one.
    """

    files: Sequence[DataFile]
    columns: Sequence[str]
    entry: MappingEntry
    stream: str
    source: str
    content: str
    reading: str
    group: FeatureGroup | None
    registry: Registry


def make_plan(
    paths: Sequence[Path],
    mapping: LoadedMapping,
    registry: Registry,
    *,
    stream: str | None,
    known_at: str | None,
) -> Plan:
    """Settle what is to be ingested.

    Args:
        paths: The files.
        mapping: How they are read.
        registry: The feature groups of the store.
        stream: Name of the stream; None takes one from what is read.
        known_at: A column, or "ingest-time"; None leaves it to the mapping.

    Raises:
        DataNotFound: A file is not there, or cannot be read.
        UnreadableData: A file is not of its format.
        InvalidMapping: The mapping does not fit the files or the store.
        InvalidInput: Nothing says when facts became known.
    """
    entry = _settle_known_at(mapping.entry, known_at)
    settled = replace(mapping, entry=entry)
    files = open_files(paths, entry.csv)
    mistakes = [
        mistake
        for file in files
        for present in [file.columns()]
        if present is not None
        for mistake in find_wrong_columns(settled, present, file.path)
    ]
    group = None
    if isinstance(entry, FeaturesEntry):
        group, found = _settle_group(entry, registry)
        mistakes += found
    if mistakes:
        raise mapping.refuse(mistakes)
    content, reading = _digest_files(paths), f"{mapping.digest[:24]}:{known_at or ''}"
    name = stream or f"{mapping.kind}-{content[:16]}-{_digest(reading)[:16]}"
    return Plan(
        files,
        sorted(set(settled.columns().values())),
        entry,
        name,
        entry.source or name,
        content[:32],
        _digest(reading)[:32],
        group,
        registry if group is None else _with_group(registry, group),
    )


def _settle_known_at(entry: MappingEntry, known_at: str | None) -> MappingEntry:
    if known_at == INGEST_TIME:
        return entry.model_copy(update={"known_at": None})
    if known_at is not None:
        moment = entry.known_at or MomentEntry.model_validate({"column": known_at})
        moment = moment.model_copy(update={"column": known_at, "constant": None})
        return entry.model_copy(update={"known_at": moment})
    if entry.known_at is None:
        raise InvalidInput(
            "Nothing says when the live system learned these facts.",
            remedy="Add known_at to the mapping, or name a column: --known-at COLUMN. If it "
            "learns them only now, say so: --known-at ingest-time.",
            field="--known-at",
        )
    return entry


def _settle_group(
    entry: FeaturesEntry, registry: Registry
) -> tuple[FeatureGroup | None, list[Mistake]]:
    """Return the group to register, if one is, and what is wrong with it."""
    wanted = entry.group
    found = registry.groups.get(wanted.name)
    fields = tuple(entry.values or ())
    if found is None or (
        wanted.entity_kind is not None
        and (wanted.schema_version or 0) > found.group.schema_version
    ):
        if wanted.entity_kind is None:
            return None, [
                Mistake(
                    ("group", "name"),
                    f"The store has no feature group {show(wanted.name)}.",
                    f"{advise(wanted.name, list(registry.groups) or ['another store'])} Or add "
                    "entity_kind to register it.",
                )
            ]
        kind = ENTITY_KINDS[wanted.entity_kind]
        return FeatureGroup(wanted.name, kind, wanted.schema_version or 1, fields), []
    version = wanted.schema_version or found.group.schema_version
    known = found.fields_by_version.get(version)
    if known is None:
        return None, [
            Mistake(
                ("group", "schema_version"),
                f"{wanted.name} has no schema version {version} in the store.",
                f"It has {sorted(found.fields_by_version)}.",
            )
        ]
    return None, [
        Mistake(
            ("values", field),
            f"{wanted.name} has no field {show(field)} in schema version {version}.",
            advise(field, known) + f" Or register schema version {version + 1}.",
        )
        for field in fields
        if field not in known
    ]


def _with_group(registry: Registry, group: FeatureGroup) -> Registry:
    """Return the registry as it will be; the new group's number is not known yet."""
    found = registry.groups.get(group.name)
    versions = dict(found.fields_by_version) if found else {}
    registered = RegisteredGroup(
        found.group_id if found else 0, group, {**versions, group.schema_version: group.fields}
    )
    return Registry(dict(sorted({**registry.groups, group.name: registered}.items())))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _digest_files(paths: Sequence[Path]) -> str:
    """Return the SHA-256 of files, each with its length."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            with path.open("rb") as file:
                digest.update(path.stat().st_size.to_bytes(8, "big"))
                while part := file.read(_READ_BYTES):
                    digest.update(part)
        except OSError as error:
            raise DataNotFound(
                f"{path} cannot be read: {error.strerror}.",
                remedy="Name a file that you may read.",
                field="FILES",
            ) from error
    return digest.hexdigest()
