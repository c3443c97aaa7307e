"""The files of a segment: one .npy file per array, and a manifest.

A manifest tells of every file its size and SHA-256, so a file that was cut off, changed or
swapped is noticed when the segment is opened, before anything is answered from it.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from timetravel.database.registry import RegisteredGroup, Registry
from timetravel.errors import SegmentDamaged
from timetravel.facts.model import EntityKind, FeatureGroup
from timetravel.reading.retained import Retained
from timetravel.segments.columns import Changes, Events, Licences, Texts, Vectors, Versions
from timetravel.segments.segment import FORMAT, Document, Origin, Segment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from core.arrays import Float32Array

Columns = TypeVar("Columns", Versions, Vectors, Texts, Document, Events, Licences, Changes)

MANIFEST: Final = "manifest.json"
_COLUMNS: Final = {"versions": Versions, "texts": Texts}
"""The fields of columns that are columns themselves."""


class Staging:
    """Writes a segment into a folder that nobody reads yet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, dict[str, object]] = {}

    def allocate(self, _name: str, shape: tuple[int, int]) -> Float32Array:
        """Return a matrix whose rows go to a file as they are filled in."""
        if 0 in shape:  # an empty file cannot be mapped
            return np.empty(shape, np.float32)
        path = self._folder / f"matrix-{len(list(self._folder.iterdir()))}.npy"
        matrix: Float32Array = np.lib.format.open_memmap(
            path, mode="w+", dtype=np.float32, shape=shape
        )
        return matrix

    def write(self, segment: Segment) -> None:
        """Write every array, and the manifest last."""
        manifest = {
            "format": FORMAT,
            "store": segment.origin.store,
            "snapshot": segment.origin.snapshot,
            "everybody": segment.origin.profile_ids is None,
            "chosen": self._keep(np.array(segment.origin.profile_ids or (), np.int64)),
            "retained": asdict(segment.retained),
            "registry": _describe_registry(segment.registry),
            "profile_ids": self._keep(segment.profile_ids),
            "video_ids": self._keep(segment.video_ids),
            "vectors": {name: self._describe(v) for name, v in segment.vectors.items()},
            "attributes": [
                [kind.value, name, self._describe(texts)]
                for (kind, name), texts in segment.attributes.items()
            ],
            "documents": [
                [collection, name, self._describe(document)]
                for (collection, name), document in segment.documents.items()
            ],
            "events": self._describe(segment.events),
            "licences": self._describe(segment.licences),
            "changes": {name: self._describe(c) for name, c in segment.changes.items()},
            "files": self._files,
        }
        path = self._folder / MANIFEST
        path.write_text(json.dumps(manifest, ensure_ascii=False, indent=1))
        for written in (path, self._folder):
            _synchronise(written)

    def _describe(self, columns: Columns) -> dict[str, object]:
        described: dict[str, object] = {}
        for field in fields(columns):
            value = getattr(columns, field.name)
            if isinstance(value, np.ndarray):
                described[field.name] = self._keep(value)
            else:
                described[field.name] = (
                    self._describe(value) if field.name in _COLUMNS else value
                )
        return described

    def _keep(self, array: NDArray[Any]) -> str:
        if isinstance(array, np.memmap) and array.filename is not None:
            array.flush()
            path = Path(array.filename)
        else:
            path = self._folder / f"array-{len(self._files)}.npy"
            np.save(path, array)
        _synchronise(path)
        self._files[path.name] = {"bytes": path.stat().st_size, "sha256": _digest(path)}
        return path.name


def read_segment(folder: Path) -> Segment:
    """Map a segment into memory, after checking that it is what was written.

    Raises:
        SegmentDamaged: A file is missing, cut off or changed, or of another format.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        if manifest["format"] != FORMAT:
            raise _damaged(folder, f"it has format {manifest['format']}, not {FORMAT}")
        arrays = {
            name: _read_array(folder / name, expected)
            for name, expected in manifest["files"].items()
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, str(error)) from error
    return _restore_segment(manifest, arrays)


def _restore_segment(
    manifest: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> Segment:
    chosen = None if manifest["everybody"] else tuple(arrays[manifest["chosen"]].tolist())
    return Segment(
        Origin(manifest["store"], manifest["snapshot"], chosen),
        _restore_registry(manifest["registry"]),
        arrays[manifest["profile_ids"]],
        arrays[manifest["video_ids"]],
        {
            name: _restore(Vectors, described, arrays)
            for name, described in manifest["vectors"].items()
        },
        {
            (EntityKind(kind), name): _restore(Texts, described, arrays)
            for kind, name, described in manifest["attributes"]
        },
        {
            (collection, name): _restore(Document, described, arrays)
            for collection, name, described in manifest["documents"]
        },
        _restore(Events, manifest["events"], arrays),
        _restore(Licences, manifest["licences"], arrays),
        {
            name: _restore(Changes, described, arrays)
            for name, described in manifest["changes"].items()
        },
        Retained(**manifest["retained"]),
    )


def _restore(
    kind: type[Columns], described: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> Columns:
    values: dict[str, Any] = {}
    for name, value in described.items():
        if isinstance(value, dict):
            values[name] = _restore(_COLUMNS[name], value, arrays)
        else:
            values[name] = arrays[value] if isinstance(value, str) else tuple(value)
    return kind(**values)


def _read_array(path: Path, expected: Mapping[str, object]) -> NDArray[Any]:
    found = {"bytes": path.stat().st_size, "sha256": _digest(path)}
    if found != expected:
        raise ValueError(f"{path.name} is not the file that was written")
    array: NDArray[Any] = np.load(path, mmap_mode="c", allow_pickle=False)
    # A plain array is what kernels are compiled for; it keeps the mapping alive.
    return np.asarray(array)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _synchronise(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _describe_registry(registry: Registry) -> list[dict[str, object]]:
    return [
        {
            "group_id": registered.group_id,
            "name": registered.group.name,
            "entity_kind": registered.group.entity_kind.value,
            "fields": [[version, fields] for version, fields in sorted(versions.items())],
        }
        for registered in registry.groups.values()
        if (versions := registered.fields_by_version)
    ]


def _restore_registry(described: list[dict[str, Any]]) -> Registry:
    groups: dict[str, RegisteredGroup] = {}
    for entry in described:
        by_version = {version: tuple(names) for version, names in entry["fields"]}
        newest = max(by_version)
        group = FeatureGroup(
            entry["name"], EntityKind(entry["entity_kind"]), newest, by_version[newest]
        )
        groups[group.name] = RegisteredGroup(entry["group_id"], group, by_version)
    return Registry(groups)


def _damaged(folder: Path, reason: str) -> SegmentDamaged:
    return SegmentDamaged(
        f"The segment {folder} cannot be used: {reason}.",
        remedy="Remove the folder; it is built again from the store.",
        field="segment",
    )
