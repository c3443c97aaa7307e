"""Takes data files into a store, slice by slice, each in one transaction."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Final

from core.moments import format_moment
from experiments.ingest.bookmarks import Bookmark, read_bookmark
from experiments.ingest.mapping.sources import MomentEntry
from experiments.ingest.records.facts import read_facts
from experiments.ingest.records.reading import Reading
from experiments.ingest.refusals import Refusals, RowMistakes, write_refused
from timetravel.database.chunks import Chunk
from timetravel.errors import ContradictingFacts, StreamMismatch
from timetravel.ingest.contradictions import REFUSALS, find_contradictions, find_refused
from timetravel.ingest.limits import Limits
from timetravel.ingest.rules import Rules
from timetravel.writing.records import to_records

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from experiments.ingest.files.slices import DataFile, Slice
    from experiments.ingest.plan import Plan
    from experiments.ingest.refusals import Refused
    from timetravel.ingest.decoding import DecodedChunk
    from timetravel.ingest.mistakes import Mistakes
    from timetravel.store import Store
    from timetravel.writing.writer import Writer

RECORDS_PER_CHUNK: Final = 50_000


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the files.

    Attributes:
        stream: Name of the stream.
        records: Records looked at, with those of earlier runs.
        facts: Facts taken, likewise.
        refused: Records refused, likewise.
        went_on: Whether an earlier run had begun.
        snapshot: Newest transaction of the stream.
        first_refused: The first refusals of this run.
    """

    stream: str
    records: int
    facts: int
    refused: int
    went_on: bool
    snapshot: int
    first_refused: Sequence[Refused] = field(default_factory=tuple)


class Loader:
    """Loads the files of a plan.

    Args:
        store: Where facts go.
        plan: What is loaded.
        now_micros: Tells the time.
        records_per_chunk: Records in one transaction.
        is_dry: Whether everything is done but writing.
    """

    def __init__(
        self,
        store: Store,
        plan: Plan,
        *,
        now_micros: Callable[[], int],
        records_per_chunk: int = RECORDS_PER_CHUNK,
        is_dry: bool = False,
    ) -> None:
        self._store = store
        self._plan = plan
        self._now_micros = now_micros
        self._size = records_per_chunk
        self._is_dry = is_dry
        self._limits = Limits()
        self._registry = plan.registry
        newest = None if is_dry else store.newest_chunk(plan.stream)
        self._went_on = newest is not None
        self._sequence = newest.sequence if newest is not None else 0
        self._snapshot = newest.tx_id if newest is not None else 0
        self._bookmark = read_bookmark(newest, plan)

    def load(self, rejects: Path | None, advance: Callable[[int], None]) -> Report:
        """Load what has not been loaded yet.

        Args:
            rejects: File for what is refused, one JSON object a line.
            advance: Is told the bytes that have been read since it was told last.

        Raises:
            UnreadableData: A file ceases to be of its format; what stands before is loaded.
            StreamMismatch: Somebody else filled the stream in the meantime.
            StoreUnavailable: The database cannot be reached or is locked for too long.
        """
        with Refusals(rejects, self._bookmark.rejects_bytes) as refusals:
            for place in range(self._bookmark.file, len(self._plan.files)):
                file = self._plan.files[place]
                start = self._bookmark.record if place == self._bookmark.file else 0
                told = 0
                for found in file.read(self._plan.columns, start, self._size):
                    self._take(place, file, found, refusals)
                    advance(file.bytes_read() - told)
                    told = file.bytes_read()
            return Report(
                self._plan.stream,
                self._bookmark.records,
                self._bookmark.facts,
                self._bookmark.refused,
                self._went_on,
                self._snapshot,
                tuple(refusals.first),
            )

    def _take(self, place: int, file: DataFile, found: Slice, refusals: Refusals) -> None:
        now = self._now_micros()
        mistakes = RowMistakes()
        if self._is_dry:
            decoded = self._decode(found, now, mistakes)
            decoded = self._without_contradictions(decoded, mistakes)
            self._bookmark = self._after(place, file, found, decoded, mistakes, refusals)
            return
        with self._store.begin(now) as writer:
            self._check_place(writer)
            if self._plan.group is not None:
                writer.register(self._plan.group)
            self._registry = writer.registry()
            decoded = self._append(writer, self._decode(found, now, mistakes), mistakes)
            # What is refused is in its file before the transaction says so.
            bookmark = self._after(place, file, found, decoded, mistakes, refusals)
            text = json.dumps(asdict(bookmark))
            writer.note_chunk(
                Chunk(
                    self._plan.stream,
                    self._sequence + 1,
                    hashlib.sha256(text.encode()).hexdigest(),
                    writer.newest_tx_id,
                    found.after - found.first,
                    text,
                )
            )
            snapshot = writer.newest_tx_id
        self._bookmark = bookmark
        self._sequence += 1
        self._snapshot = snapshot

    def _check_place(self, writer: Writer) -> None:
        newest = writer.newest_chunk(self._plan.stream)
        if (newest.sequence if newest is not None else 0) != self._sequence:
            raise StreamMismatch(
                f"Somebody else fills the stream {self._plan.stream!r} at the same time.",
                remedy="Let one of the two end, or give another --stream.",
                field="--stream",
            )

    def _append(
        self, writer: Writer, decoded: DecodedChunk, mistakes: RowMistakes
    ) -> DecodedChunk:
        """Append what the store takes, and return it; the rest becomes mistakes."""
        while len(decoded):
            try:
                synthetic = self._plan.entry.synthetic
                writer.append(decoded.all(), source=self._plan.source, synthetic=synthetic)
            except REFUSALS as error:
                found = find_refused(decoded, writer, error, len(decoded))
                if not found.total:
                    raise
                decoded = _note(found, decoded, mistakes)
            else:
                break
        return decoded

    def _decode(self, found: Slice, now: int, mistakes: RowMistakes) -> DecodedChunk:
        entry = self._plan.entry
        if entry.known_at is None:
            known_at = MomentEntry.model_validate({"constant": format_moment(now)})
            entry = entry.model_copy(update={"known_at": known_at})
        reading = Reading(found, entry, Rules(self._limits, now), mistakes)
        return read_facts(reading, entry, self._registry)

    def _without_contradictions(
        self, decoded: DecodedChunk, mistakes: RowMistakes
    ) -> DecodedChunk:
        try:
            to_records(decoded.all(), 1, self._registry)
        except ContradictingFacts:
            return _note(find_contradictions(decoded, len(decoded)), decoded, mistakes)
        return decoded

    def _after(
        self,
        place: int,
        file: DataFile,
        found: Slice,
        decoded: DecodedChunk,
        mistakes: RowMistakes,
        refusals: Refusals,
    ) -> Bookmark:
        """Write down what was refused, and return where to go on."""
        refused = write_refused(file, found, mistakes.kept, refusals)
        before = self._bookmark
        return Bookmark(
            before.content,
            before.reading,
            place,
            found.after,
            before.records + len(found.numbers) + len(found.unreadable),
            before.facts + len(decoded),
            before.refused + refused,
            refusals.flush(),
        )


def _note(found: Mistakes, decoded: DecodedChunk, mistakes: RowMistakes) -> DecodedChunk:
    for one in found.kept:
        mistakes.add(one.index, one.field, None, one.rule, one.remedy)
    return decoded.without({one.index for one in found.kept})
