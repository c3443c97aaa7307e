"""The chunks of each ingest stream that the store holds, so that none is appended twice."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

import sqlalchemy as sa

from timetravel.database.schema import ingest_chunk


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk that a stream brought.

    Attributes:
        stream: Name of the stream.
        sequence: Its place in the stream, from 1 without gaps.
        digest: Of what it held: tells a repetition from another chunk under the same key.
        tx_id: Newest transaction that it made.
        records: How many records it held.
        bookmark: The sender's own note of where to go on.
    """

    stream: str
    sequence: int
    digest: str
    tx_id: int
    records: int
    bookmark: str = ""


def read_chunk(connection: sa.Connection, stream: str, sequence: int) -> Chunk | None:
    """Return a chunk, None if it has not come."""
    return _read(connection, _ONE, stream=stream, sequence=sequence)


def read_newest_chunk(connection: sa.Connection, stream: str) -> Chunk | None:
    """Return the last chunk of a stream, None if it has brought none."""
    return _read(connection, _NEWEST, stream=stream)


def write_chunk(connection: sa.Connection, chunk: Chunk) -> None:
    """Note a chunk, in the transaction that appends what it held."""
    connection.execute(ingest_chunk.insert(), {name: getattr(chunk, name) for name in _COLUMNS})


def _read(
    connection: sa.Connection, statement: sa.Select[Any], **parameters: object
) -> Chunk | None:
    row = connection.execute(statement, parameters).mappings().one_or_none()
    return None if row is None else Chunk(**row)


_COLUMNS: Final = tuple(field.name for field in fields(Chunk))
_OF_STREAM: Final = sa.select(*(ingest_chunk.c[name] for name in _COLUMNS)).where(
    ingest_chunk.c.stream == sa.bindparam("stream")
)
_ONE: Final = _OF_STREAM.where(ingest_chunk.c.sequence == sa.bindparam("sequence"))
_NEWEST: Final = _OF_STREAM.order_by(ingest_chunk.c.sequence.desc()).limit(1)
