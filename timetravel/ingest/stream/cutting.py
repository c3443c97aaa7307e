"""Splits records into chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pagesim.ingest.v1 import ingest_pb2


def cut_records(
    records: Iterable[ingest_pb2.Record], size: int, most_bytes: int
) -> Iterator[list[ingest_pb2.Record]]:
    """Yield records in lists of so many at most, and of so many bytes unless it is one."""
    chunk: list[ingest_pb2.Record] = []
    length = 0
    for record in records:
        added = record.ByteSize()
        if chunk and (len(chunk) >= size or length + added > most_bytes):
            yield chunk
            chunk, length = [], 0
        chunk.append(record)
        length += added
    if chunk:
        yield chunk


def count_records(
    chunks: Iterable[list[ingest_pb2.Record]], done: int
) -> Iterator[tuple[int, list[ingest_pb2.Record]]]:
    """Yield lists with the number of records up to their end, `done` being before them."""
    for chunk in chunks:
        done += len(chunk)
        yield done, chunk
