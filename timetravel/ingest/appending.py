"""Appends a chunk in one transaction, from a file or from a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from timetravel.ingest.contradictions import REFUSALS, find_refused

if TYPE_CHECKING:
    from timetravel.database.chunks import Chunk
    from timetravel.errors import TimeTravelError
    from timetravel.ingest.decoding import DecodedChunk
    from timetravel.ingest.mistakes import Mistakes
    from timetravel.store import Store
    from timetravel.writing.writer import Writer


class IncomingChunk(Protocol):
    """A chunk on its way into a store."""

    @property
    def source(self) -> str:
        """Where its facts come from."""

    @property
    def synthetic(self) -> bool:
        """Whether they are made up."""

    def mistakes_kept(self, decoded: DecodedChunk) -> int:
        """Return how many mistakes are reported of it."""

    def find(self, writer: Writer) -> Chunk | None:
        """Return the chunk if the store has it, None if it is the next of its stream.

        Raises:
            TimeTravelError: It is neither.
        """

    def register(self, writer: Writer) -> None:
        """Register its feature groups."""

    def decode(self, writer: Writer) -> DecodedChunk:
        """Return its records as facts, as the store names entities."""

    def refuse(
        self, decoded: DecodedChunk, mistakes: Mistakes, error: TimeTravelError
    ) -> DecodedChunk:
        """Return what is left without the records that the store refuses, or raise."""

    def describe(self, decoded: DecodedChunk, tx_id: int) -> Chunk:
        """Return what is noted of it, once its facts are appended."""


def append_chunk(store: Store, chunk: IncomingChunk, now_micros: int) -> Chunk:
    """Append a chunk and note it, in one transaction; return what is noted.

    A chunk that the store has already is returned, and nothing is appended.

    Raises:
        TimeTravelError: The chunk is refused; the store is as it was.
        StoreUnavailable: The database cannot be reached or is locked for too long.
    """
    with store.begin(now_micros) as writer:
        found = chunk.find(writer)
        if found is not None:
            return found
        chunk.register(writer)
        decoded = _append(writer, chunk, chunk.decode(writer))
        taken = chunk.describe(decoded, writer.newest_tx_id)
        writer.note_chunk(taken)
    return taken


def check_chunk(store: Store, chunk: IncomingChunk, now_micros: int) -> Chunk:
    """Do all that `append_chunk` does, and leave the store as it was.

    Raises:
        TimeTravelError: As `append_chunk`.
    """
    try:
        with store.begin(now_micros) as writer:
            chunk.register(writer)
            decoded = _append(writer, chunk, chunk.decode(writer))
            raise _CheckedError(chunk.describe(decoded, writer.newest_tx_id))  # noqa: TRY301 - it ends the transaction
    except _CheckedError as ended:
        return ended.chunk


class _CheckedError(Exception):
    """Ends a transaction that is not to be kept."""

    def __init__(self, chunk: Chunk) -> None:
        super().__init__()
        self.chunk = chunk


def _append(writer: Writer, chunk: IncomingChunk, decoded: DecodedChunk) -> DecodedChunk:
    while len(decoded):
        try:
            writer.append(
                decoded.all(),
                source=chunk.source,
                synthetic=chunk.synthetic,
                beside_stored=True,
                external_ids=decoded.external_ids,
            )
        except REFUSALS as error:
            mistakes = find_refused(decoded, writer, chunk.mistakes_kept(decoded))
            decoded = chunk.refuse(decoded, mistakes, error)
        else:
            break
    return decoded
