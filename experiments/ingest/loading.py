"""Loads data files into a store, slice by slice, each in one transaction."""

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
from timetravel.errors import StreamMismatch
from timetravel.facts.external_ids import EntityNames
from timetravel.ingest.appending import append_chunk, check_chunk
from timetravel.ingest.limits import Limits
from timetravel.ingest.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from experiments.ingest.files.slices import DataFile, Slice
    from experiments.ingest.plan import Plan
    from experiments.ingest.refusals import Refused
    from timetravel.errors import TimeTravelError
    from timetravel.facts.external_ids import IdForm
    from timetravel.facts.model import EntityKind
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
        self._forms: dict[EntityKind, IdForm] = {}
        self._limits = Limits()
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
        chunk = _SliceChunk(
            plan=self._plan,
            sequence=self._sequence + 1,
            before=self._bookmark,
            place=place,
            file=file,
            found=found,
            rules=Rules(self._limits, now),
            refusals=refusals,
            forms=self._forms,
        )
        take = check_chunk if self._is_dry else append_chunk
        taken = take(self._store, chunk, now)
        self._bookmark = Bookmark(**json.loads(taken.bookmark))
        if not self._is_dry:
            self._sequence = taken.sequence
            self._snapshot = taken.tx_id


@dataclass(frozen=True, slots=True)
class _SliceChunk:
    """Implements `IncomingChunk` for a slice of a file: what is refused is left out.

    Attributes:
        plan: What is loaded.
        sequence: Number of the chunk in its stream.
        before: Where the chunk before it ended.
        place: Index of the file.
        file: Its file.
        found: The slice.
        rules: What its values must keep to.
        refusals: Where what is refused is written.
        forms: How entities are named, as earlier slices decided: those of a dry run leave
            nothing in the store.
        row_mistakes: Why records were refused.
    """

    plan: Plan
    sequence: int
    before: Bookmark
    place: int
    file: DataFile
    found: Slice
    rules: Rules
    refusals: Refusals
    forms: dict[EntityKind, IdForm]
    row_mistakes: RowMistakes = field(default_factory=RowMistakes)

    @property
    def source(self) -> str:
        return self.plan.source

    @property
    def synthetic(self) -> bool:
        return self.plan.entry.synthetic

    def mistakes_kept(self, decoded: DecodedChunk) -> int:
        return len(decoded)  # a row may have many facts, and each that is refused is left out

    def find(self, writer: Writer) -> None:
        newest = writer.newest_chunk(self.plan.stream)
        if (newest.sequence if newest is not None else 0) + 1 != self.sequence:
            raise StreamMismatch(
                f"Somebody else fills the stream {self.plan.stream!r} at the same time.",
                remedy="Let one of the two end, or give another --stream.",
                field="--stream",
            )

    def register(self, writer: Writer) -> None:
        if self.plan.group is not None:
            writer.register(self.plan.group)

    def decode(self, writer: Writer) -> DecodedChunk:
        entry = self.plan.entry
        if entry.known_at is None:
            known_at = MomentEntry.model_validate(
                {"constant": format_moment(self.rules.now_micros)}
            )
            entry = entry.model_copy(update={"known_at": known_at})
        names = EntityNames({**writer.id_forms, **self.forms})
        reading = Reading(self.found, entry, self.rules, self.row_mistakes, names)
        decoded = read_facts(reading, entry, writer.registry())
        self.forms.update(names.forms)
        return decoded

    def refuse(
        self, decoded: DecodedChunk, mistakes: Mistakes, error: TimeTravelError
    ) -> DecodedChunk:
        if not mistakes.total:
            raise error
        for mistake in mistakes.kept:
            self.row_mistakes.add(
                mistake.index, mistake.field, None, mistake.rule, mistake.remedy
            )
        return decoded.without({mistake.index for mistake in mistakes.kept})

    def describe(self, decoded: DecodedChunk, tx_id: int) -> Chunk:
        # What is refused is in its file before the transaction says so.
        text = json.dumps(asdict(self.go_on(decoded)))
        return Chunk(
            self.plan.stream,
            self.sequence,
            hashlib.sha256(text.encode()).hexdigest(),
            tx_id,
            self.found.after - self.found.first,
            text,
        )

    def go_on(self, decoded: DecodedChunk) -> Bookmark:
        """Write down what was refused, and return where to go on."""
        refused = write_refused(self.file, self.found, self.row_mistakes.kept, self.refusals)
        before = self.before
        return Bookmark(
            before.content,
            before.reading,
            self.place,
            self.found.after,
            before.records + len(self.found.numbers) + len(self.found.unreadable),
            before.facts + len(decoded),
            before.refused + refused,
            self.refusals.flush(),
        )
