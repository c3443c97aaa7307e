"""A world on disk: a directory that is written whole or not at all.

::

    PATH/
        world.json                  what it is: see `worlds.manifest`
        timeline/documents.parquet  facts by known_at: see `worlds.records`
        timeline/attributes.parquet
        timeline/availability.parquet
        timeline/events.parquet
        visits.parquet              who opens the homepage when, and on what
        ids.parquet                 the texts behind the numbers, where entities have texts:
                                    see `worlds.external_ids`
        truth/*.parquet             what only the maker of a synthetic world knows; never
                                    enters a store
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from timetravel.facts.external_ids import ExternalIds, IdForm
from timetravel.facts.model import EntityKind
from worlds.errors import MalformedWorld, WorldExists, WorldNotFound
from worlds.external_ids import FILE_NAME as IDS_NAME
from worlds.external_ids import Renaming, read_external_ids
from worlds.manifest import MANIFEST_NAME, Manifest, read_manifest
from worlds.records import RECORD_KINDS
from worlds.timeline import DIRECTORY_NAME, Timeline, open_records, write_records
from worlds.visits import FILE_NAME as VISITS_NAME
from worlds.visits import Visits, read_visits

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pyarrow as pa

    from worlds.records import RecordKind

TRUTH_NAME = "truth"
VISITS = "visits"
IDS = "ids"


@dataclass(frozen=True, slots=True)
class World:
    """Read a world."""

    path: Path
    manifest: Manifest

    @property
    def timeline(self) -> Timeline:
        """Return its facts in known order."""
        return Timeline(self.path / DIRECTORY_NAME)

    def visits(self) -> Visits:
        """Return who opens the homepage when."""
        return read_visits(self.path / VISITS_NAME)

    def external_ids(self) -> ExternalIds:
        """Return the texts behind the numbers of its entities; none if they have numbers."""
        if self.manifest.ids is IdForm.NUMBERS:
            return ExternalIds()
        return read_external_ids(self.path / IDS_NAME)


class WorldWriter:
    """Write the files of a world into its directory.

    Args:
        path: The directory.
        ids: How its entities are named. What is written names them by whole numbers; of
            these, texts are made here.
    """

    def __init__(self, path: Path, ids: IdForm) -> None:
        self._path = path
        self._renaming = Renaming() if ids is IdForm.TEXTS else None
        self._ids = ids
        self._counts: dict[str, int] = {}
        (path / DIRECTORY_NAME).mkdir()

    def write_facts(self, kind: RecordKind, tables: Iterable[pa.Table]) -> None:
        """Write all facts of a kind, in the order in which they become known.

        Raises:
            MalformedWorld: They are in another order.
        """
        path = self._path / DIRECTORY_NAME / f"{kind.name}.parquet"
        self._counts[kind.name] = write_records(path, kind, map(self._rename, tables))

    def write_visits(self, visits: Visits) -> None:
        """Write all visits."""
        if self._renaming is not None:
            profile_ids = self._renaming.ids(EntityKind.PROFILE, visits.profile_ids)
            visits = Visits.sort(visits.shown_at, profile_ids, visits.devices)
        visits.write(self._path / VISITS_NAME)
        self._counts[VISITS] = len(visits)

    def write_truth(self, tables: Mapping[str, pa.Table]) -> None:
        """Write what must not enter a store, by name of the table."""
        directory = self._path / TRUTH_NAME
        directory.mkdir()
        for name, table in tables.items():
            path = directory / f"{name}.parquet"
            pq.write_table(self._rename(table), path, compression="zstd")

    def finish(self, manifest: Manifest) -> Manifest:
        """Write the manifest, completed by what the files say, and return it."""
        if self._renaming is not None:
            self._counts[IDS] = self._renaming.write(self._path / IDS_NAME)
        digests = {
            file.relative_to(self._path).as_posix(): _digest(file)
            for file in sorted(self._path.rglob("*.parquet"))
        }
        complete = replace(
            manifest,
            counts={**self._counts, **manifest.counts},
            digests=digests,
            ids=self._ids,
        )
        (self._path / MANIFEST_NAME).write_text(complete.to_json(), encoding="utf-8")
        return complete

    def _rename(self, table: pa.Table) -> pa.Table:
        return table if self._renaming is None else self._renaming.table(table)


@contextmanager
def write_world(path: Path, ids: IdForm = IdForm.NUMBERS) -> Iterator[WorldWriter]:
    """Write a world beside its place and move it there when all is well.

    Args:
        path: Its place.
        ids: How its entities are named.

    Raises:
        WorldExists: Something is there already.
        WorldNotFound: There is no directory to put the world into.
    """
    if path.exists():
        raise WorldExists(
            f"{path} exists already.",
            remedy="Choose another path, or remove it first.",
            field="world",
        )
    path = path.absolute()
    if not path.parent.is_dir():
        raise WorldNotFound(
            f"{path.parent} is not a directory.", remedy="Make it first.", field="world"
        )
    partial = Path(tempfile.mkdtemp(prefix=f".{path.name}.partial-", dir=path.parent))
    try:
        yield WorldWriter(partial, ids)
        partial.chmod(0o755)
        partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def open_world(path: Path) -> World:
    """Open a world.

    Raises:
        WorldNotFound: There is none.
        MalformedWorld: A file is missing or damaged, or does not hold what the manifest says.
    """
    manifest_path = path / MANIFEST_NAME
    if not manifest_path.is_file():
        raise WorldNotFound(
            f"{path} holds no world: there is no {MANIFEST_NAME}.",
            remedy="Make one with `pagesim world generate` or `pagesim import movielens`.",
            field="world",
        )
    world = World(path, read_manifest(manifest_path))
    counted = {VISITS: len(world.visits())}
    if world.manifest.ids is IdForm.TEXTS:
        counted[IDS] = sum(map(len, world.external_ids().texts.values()))
    for kind in RECORD_KINDS:
        with open_records(path / DIRECTORY_NAME / f"{kind.name}.parquet", kind.schema) as file:
            counted[kind.name] = file.metadata.num_rows
    for name, count in counted.items():
        if world.manifest.counts.get(name) != count:
            raise MalformedWorld(
                f"{path} holds {count} {name}, and its manifest says "
                f"{world.manifest.counts.get(name)}.",
                remedy="Make the world again: its files were changed.",
                field=f"counts.{name}",
            )
    return world


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
