"""Takes chunks into a store: each whole, once, and after the ones before it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from timetravel.database.chunks import Chunk
from timetravel.errors import (
    ChunkExists,
    ChunkOutOfOrder,
    FeatureGroupExists,
    InvalidChunk,
    InvalidFact,
)
from timetravel.ingest.contradictions import REFUSALS, find_refused
from timetravel.ingest.decoding import check_header, decode_groups, decode_records, refuse
from timetravel.ingest.mistakes import Mistakes
from timetravel.ingest.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pagesim.ingest.v1 import ingest_pb2

    from timetravel.facts.model import FeatureGroup
    from timetravel.ingest.decoding import DecodedChunk
    from timetravel.ingest.limits import Limits
    from timetravel.store import Store
    from timetravel.writing.writer import Writer


class ChunkTaker:
    """Takes the chunks of any number of streams. May be shared by threads.

    Args:
        store: Where the facts go.
        limits: What a chunk may hold.
        now_micros: Tells the time.
    """

    def __init__(self, store: Store, limits: Limits, now_micros: Callable[[], int]) -> None:
        self.limits = limits
        self._store = store
        self._now_micros = now_micros

    def newest(self, stream: str) -> Chunk | None:
        """Return the last chunk of a stream, None if it has brought none."""
        return self._store.newest_chunk(stream)

    def take(self, request: ingest_pb2.IngestRequest) -> Chunk:
        """Append what a chunk holds in one transaction, unless it is in the store already.

        Raises:
            InvalidChunk: Something is wrong with it; the store is as it was.
            ChunkExists: Another chunk came under its key.
            ChunkOutOfOrder: The chunk before it has not come.
            StoreUnavailable: The database cannot be reached or is locked for too long.
        """
        rules = Rules(self.limits, self._now_micros())
        check_header(request, rules)
        digest = _digest(request)
        # What was right when it came may be wrong for the registry of today, so this is first.
        found, registry = self._store.chunk(request.stream, request.sequence)
        if found is not None:
            return _same(found, digest)
        groups = decode_groups(request, rules)
        # Decoded before the store is locked, where that can be done.
        decoded = None if groups else decode_records(request.records, registry, rules)
        with self._store.begin(rules.now_micros) as writer:
            found = find_chunk(writer, request.stream, request.sequence, digest)
            if found is not None:
                return found
            _register(writer, groups, self.limits)
            # What was decoded says its schema versions, and so keeps its meaning whatever has
            # been registered since.
            if decoded is None:
                decoded = decode_records(request.records, writer.registry(), rules)
            if request.records:
                _append(writer, request, decoded, self.limits)
            taken = Chunk(
                request.stream,
                request.sequence,
                digest,
                writer.newest_tx_id,
                len(request.records),
                request.bookmark,
            )
            writer.note_chunk(taken)
        return taken


def find_chunk(writer: Writer, stream: str, sequence: int, digest: str) -> Chunk | None:
    """Return the chunk if it is in the store, None if it is the next of its stream.

    Raises:
        ChunkExists: Another chunk came under its key.
        ChunkOutOfOrder: The chunk before it has not come.
    """
    newest = writer.newest_chunk(stream)
    last = newest.sequence if newest is not None else 0
    if sequence == last + 1:
        return None
    if sequence > last:
        raise ChunkOutOfOrder(
            f"Chunk {sequence} of {stream!r} comes after chunk {last}.",
            remedy=f"Send chunk {last + 1}.",
            field="sequence",
        )
    found = newest if sequence == last else writer.chunk(stream, sequence)
    if found is None:
        raise AssertionError(f"chunk {sequence} of {stream!r} is not in the store")
    return _same(found, digest)


def _same(found: Chunk, digest: str) -> Chunk:
    if found.digest != digest:
        raise ChunkExists(
            f"Chunk {found.sequence} of {found.stream!r} came before, and held something else.",
            remedy="Send what is new under the next number.",
            field="sequence",
        )
    return found


def _digest(request: ingest_pb2.IngestRequest) -> str:
    return hashlib.sha256(request.SerializeToString(deterministic=True)).hexdigest()


def _register(
    writer: Writer, groups: Sequence[tuple[int, FeatureGroup]], limits: Limits
) -> None:
    mistakes = Mistakes(limits.mistakes)
    for index, group in groups:
        try:
            writer.register(group)
        except (FeatureGroupExists, InvalidFact) as error:
            field = f"feature_groups.{error.field}"
            mistakes.add(index, field, group.schema_version, error.problem, error.remedy)
    refuse(mistakes)


def _append(
    writer: Writer, request: ingest_pb2.IngestRequest, decoded: DecodedChunk, limits: Limits
) -> None:
    try:
        writer.append(decoded.all(), source=request.source, synthetic=request.synthetic)
    except REFUSALS as error:
        refuse(find_refused(decoded, writer, error, limits.mistakes))
        raise InvalidChunk(error.problem, remedy=error.remedy, field="records") from error
