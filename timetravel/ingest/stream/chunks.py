"""Appends chunks to a store: each whole, once and in order."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from timetravel.database.chunks import Chunk
from timetravel.errors import (
    ChunkExists,
    ChunkOutOfOrder,
    FeatureGroupExists,
    InvalidChunk,
    InvalidFact,
)
from timetravel.ingest.appending import append_chunk
from timetravel.ingest.decoding import check_header, decode_groups, decode_records, refuse
from timetravel.ingest.mistakes import Mistakes
from timetravel.ingest.rules import Rules
from timetravel.ingest.stream.naming import names_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pagesim.ingest.v1 import ingest_pb2

    from timetravel.errors import TimeTravelError
    from timetravel.facts.external_ids import IdForm
    from timetravel.facts.model import EntityKind, FeatureGroup
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
        forms = self._store.id_forms()
        decoded = None
        if not groups:
            # Decoded before the store is locked, where that can be done.
            names = names_of(request.records, registry, forms)
            decoded = decode_records(request.records, registry, rules, names)
        chunk = _RequestChunk(request, digest, rules, groups, forms, decoded)
        try:
            return append_chunk(self._store, chunk, rules.now_micros)
        except InvalidFact as error:
            raise InvalidChunk(error.problem, remedy=error.remedy, field="records") from error


@dataclass(frozen=True, slots=True)
class _RequestChunk:
    """Implements `IncomingChunk` for a request: it is taken whole, or refused whole."""

    request: ingest_pb2.IngestRequest
    digest: str
    rules: Rules
    groups: Sequence[tuple[int, FeatureGroup]]
    forms: Mapping[EntityKind, IdForm]
    decoded: DecodedChunk | None

    @property
    def source(self) -> str:
        return self.request.source

    @property
    def synthetic(self) -> bool:
        return self.request.synthetic

    def mistakes_kept(self, decoded: DecodedChunk) -> int:
        del decoded
        return self.rules.limits.mistakes

    def find(self, writer: Writer) -> Chunk | None:
        return find_chunk(writer, self.request.stream, self.request.sequence, self.digest)

    def register(self, writer: Writer) -> None:
        mistakes = Mistakes(self.rules.limits.mistakes)
        for index, group in self.groups:
            try:
                writer.register(group)
            except (FeatureGroupExists, InvalidFact) as error:
                field = f"feature_groups.{error.field}"
                mistakes.add(index, field, group.schema_version, error.problem, error.remedy)
        refuse(mistakes)

    def decode(self, writer: Writer) -> DecodedChunk:
        # What was decoded says its schema versions, and so keeps its meaning whatever has
        # been registered since; not if it has been settled since how entities are named.
        if self.decoded is not None and self.forms == writer.id_forms:
            return self.decoded
        registry = writer.registry()
        names = names_of(self.request.records, registry, writer.id_forms)
        return decode_records(self.request.records, registry, self.rules, names)

    def refuse(
        self, decoded: DecodedChunk, mistakes: Mistakes, error: TimeTravelError
    ) -> DecodedChunk:
        del decoded
        refuse(mistakes)
        raise InvalidChunk(error.problem, remedy=error.remedy, field="records") from error

    def describe(self, decoded: DecodedChunk, tx_id: int) -> Chunk:
        del decoded
        request = self.request
        return Chunk(
            request.stream,
            request.sequence,
            self.digest,
            tx_id,
            len(request.records),
            request.bookmark,
        )


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
