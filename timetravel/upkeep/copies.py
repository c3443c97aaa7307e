"""Folders with facts copied from the store, which an erasure has to reach."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from timetravel.database.schema import copy_place

if TYPE_CHECKING:
    from collections.abc import Sequence


class CopyKind(StrEnum):
    """Say what a folder holds."""

    SEGMENTS = "segments"
    """Segments: see `timetravel.segments.directory`."""
    RESULTS = "results"
    """What a run or a validation wrote."""


@dataclass(frozen=True, slots=True)
class CopyFolder:
    """A folder on a machine.

    Attributes:
        host: Name of the machine.
        path: Absolute.
        kind: What it holds.
        snapshot: What a run pins; None where nothing is pinned.
        upkeep_id: The newest upkeep that has been carried out there.
    """

    host: str
    path: Path
    kind: CopyKind
    snapshot: int | None = None
    upkeep_id: int = 0

    @classmethod
    def here(cls, path: Path, kind: CopyKind, snapshot: int | None = None) -> CopyFolder:
        """Return a folder on this machine."""
        return cls(socket.gethostname(), path.absolute(), kind, snapshot)

    def __str__(self) -> str:
        return f"{self.host}:{self.path}"


def find_copy_folder(connection: sa.Connection, folder: CopyFolder) -> CopyFolder | None:
    """Return what the store knows of a folder, None if it knows nothing."""
    found = connection.execute(sa.select(copy_place).where(*_key(folder))).one_or_none()
    return None if found is None else _read_folder(found)


def note_copy_folder(connection: sa.Connection, folder: CopyFolder) -> None:
    """Note a folder before anything is copied into it."""
    forget_copy_folder(connection, folder)
    values = {
        "host": folder.host,
        "path": str(folder.path),
        "kind": folder.kind.value,
        "snapshot": folder.snapshot,
        "upkeep_id": folder.upkeep_id,
    }
    connection.execute(copy_place.insert(), values)


def read_copy_folders(connection: sa.Connection) -> Sequence[CopyFolder]:
    """Return all folders."""
    rows = connection.execute(
        sa.select(copy_place).order_by(copy_place.c.host, copy_place.c.path)
    )
    return [_read_folder(row) for row in rows]


def mark_copy_folder(connection: sa.Connection, folder: CopyFolder, upkeep_id: int) -> None:
    """Note that upkeep has been carried out in a folder."""
    connection.execute(copy_place.update().where(*_key(folder)).values(upkeep_id=upkeep_id))


def forget_copy_folder(connection: sa.Connection, folder: CopyFolder) -> bool:
    """Forget a folder, which is gone; return whether it was known."""
    return bool(connection.execute(copy_place.delete().where(*_key(folder))).rowcount)


def _read_folder(row: Any) -> CopyFolder:  # noqa: ANN401 - a database row
    return CopyFolder(row.host, Path(row.path), CopyKind(row.kind), row.snapshot, row.upkeep_id)


def _key(folder: CopyFolder) -> Sequence[sa.ColumnElement[bool]]:
    return [copy_place.c.host == folder.host, copy_place.c.path == str(folder.path)]
