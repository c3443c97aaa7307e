"""The timeline of a world: its facts in the order in which they became known."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.moments import FIRST_MICROS, format_moment
from timetravel.facts.model import EntityKind
from worlds.errors import MalformedWorld
from worlds.records import ATTRIBUTES, AVAILABILITY, DOCUMENTS, RECORD_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from core.arrays import Int64Array
    from worlds.records import RecordKind, SourcedFact

DIRECTORY_NAME: Final = "timeline"
_BATCH_RECORDS: Final = 65_536


def write_records(path: Path, kind: RecordKind, tables: Iterable[pa.Table]) -> int:
    """Write tables one after the other; return how many records they have.

    Args:
        path: Of the Parquet file.
        kind: Says the schema.
        tables: In the order in which their facts become known, within and between them.

    Raises:
        MalformedWorld: They are not in that order.
    """
    records = 0
    newest = FIRST_MICROS
    with pq.ParquetWriter(path, kind.schema, compression="zstd") as writer:
        for table in tables:
            known_at = _moments(table["known_at"])
            if len(known_at) == 0:
                continue
            if known_at[0] < newest or np.any(np.diff(known_at) < 0):
                raise MalformedWorld(
                    f"The {kind.name} are not in the order in which they become known.",
                    remedy="Sort them by known_at before they are written.",
                    field=kind.name,
                )
            newest = int(known_at[-1])
            records += len(known_at)
            writer.write_table(
                table.select(kind.schema.names).cast(kind.schema), _BATCH_RECORDS
            )
    return records


def sort_records(table: pa.Table, *keys: str) -> pa.Table:
    """Return the records by known_at, then by the given columns."""
    return table.sort_by([(key, "ascending") for key in ("known_at", *keys)])


class Timeline:
    """Read the facts of a world as they become known.

    Args:
        directory: That holds one Parquet file for each kind of fact.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def facts(self) -> Iterator[SourcedFact]:
        """Yield all facts in known order; at one moment documents first and events last."""
        kinds = (self._facts_of(kind) for kind in RECORD_KINDS)
        return heapq.merge(*kinds, key=lambda entry: entry.fact.known_at)

    def catalogue_moments(self) -> Int64Array:
        """Return when attributes of videos become known, ascending."""
        table = self._table(ATTRIBUTES, "known_at", "kind")
        of_videos = pc.equal(table["kind"], int(EntityKind.VIDEO))
        return np.unique(_moments(table.filter(of_videos)["known_at"]))

    def availability_moments(self) -> Int64Array:
        """Return when licences become known, ascending."""
        return np.unique(_moments(self._table(AVAILABILITY, "known_at")["known_at"]))

    def document_moments(self) -> Int64Array:
        """Return when documents become known, ascending."""
        return np.unique(_moments(self._table(DOCUMENTS, "known_at")["known_at"]))

    def _facts_of(self, kind: RecordKind) -> Iterator[SourcedFact]:
        newest = FIRST_MICROS
        with self._open(kind) as file:
            for batch in file.iter_batches(_BATCH_RECORDS):
                for entry in kind.read(batch):
                    if entry.fact.known_at < newest:
                        raise MalformedWorld(
                            f"In {self._path(kind)} a fact known at "
                            f"{format_moment(entry.fact.known_at)} comes after one known at "
                            f"{format_moment(newest)}.",
                            remedy="Make the world again: its files were changed.",
                        )
                    newest = entry.fact.known_at
                    yield entry

    def _table(self, kind: RecordKind, *columns: str) -> pa.Table:
        with self._open(kind) as file:
            return file.read(list(columns))

    def _path(self, kind: RecordKind) -> Path:
        return self._directory / f"{kind.name}.parquet"

    def _open(self, kind: RecordKind) -> pq.ParquetFile:
        return open_records(self._path(kind), kind.schema)


def open_records(path: Path, schema: pa.Schema) -> pq.ParquetFile:
    """Open a file of a world.

    Raises:
        MalformedWorld: It is missing, damaged, or has other columns.
    """
    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise MalformedWorld(
            f"{path} cannot be read: {error}.",
            remedy="Make the world again: one of its files is missing or damaged.",
        ) from error
    if not file.schema_arrow.equals(schema):
        file.close()
        raise MalformedWorld(
            f"{path} has the columns {file.schema_arrow.names}, not {schema.names}.",
            remedy="Make the world again with this pagesim.",
        )
    return file


def _moments(column: pa.ChunkedArray) -> Int64Array:
    moments: Int64Array = column.cast(pa.int64()).to_numpy()
    return moments
