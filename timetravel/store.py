"""The store of facts: open it, append to it, read it."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, Self

import sqlalchemy as sa

from timetravel.database import schema
from timetravel.database.chunks import read_chunk, read_newest_chunk
from timetravel.database.engine import (
    create_engine,
    describe_url,
    parse_url,
    reading,
    sqlite_path,
    writing,
)
from timetravel.database.migrate import check_revision
from timetravel.database.registry import read_registry
from timetravel.errors import StoreNotFound
from timetravel.facts.model import FactKind
from timetravel.ledger.store_ledger import StoreLedger
from timetravel.ledger.tables import FACT_TABLES
from timetravel.queries.as_of_queries import AsOfQuestions
from timetravel.queries.as_of_reader import AsOfReader
from timetravel.queries.entity_ids import (
    find_entity,
    number_entity,
    read_external_ids,
    read_forms,
    read_texts,
)
from timetravel.queries.live_queries import CurrentQuestions
from timetravel.queries.live_reader import CurrentReader
from timetravel.queries.logged_pages import (
    LoggedDigests,
    LoggedPageFilter,
    count_logged_pages,
    read_digests,
    read_logged_pages,
    read_shown,
)
from timetravel.queries.names import read_attribute_names, read_document_names
from timetravel.segments.build import build_segment
from timetravel.segments.reader import SegmentReader
from timetravel.segments.segment import Origin
from timetravel.segments.table_scan import TableScan
from timetravel.upkeep import copies
from timetravel.upkeep.upkeep import check_retained, newest_upkeep, read_retained, read_upkeep
from timetravel.writing import tombstones
from timetravel.writing.writer import Writer, read_cursor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path
    from types import TracebackType

    from core.arrays import Int64Array
    from timetravel.database.chunks import Chunk
    from timetravel.database.registry import Registry
    from timetravel.facts.external_ids import IdForm
    from timetravel.facts.model import EntityKind, JsonValue
    from timetravel.queries.logged_pages import LoggedPage, ShownPages
    from timetravel.reading.retained import Retained
    from timetravel.segments.build import Progress
    from timetravel.segments.directory import SegmentDirectory
    from timetravel.segments.segment import Segment
    from timetravel.upkeep.upkeep import Upkeep


_COUNTED: Final = {
    "features": FactKind.FEATURES,
    "attributes": FactKind.ATTRIBUTE,
    "allocations": FactKind.ALLOCATION,
    "availability": FactKind.AVAILABILITY,
    "events": FactKind.EVENT,
    "documents": FactKind.DOCUMENT,
    "logged_pages": FactKind.LOGGED_PAGE,
}


class Store:
    """A tri-temporal store of facts on SQLite or PostgreSQL.

    Open it with `Store.open`; it may be shared by threads, not by forked processes. As a
    context manager it closes its connections at the end.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._as_of_questions = AsOfQuestions(engine.dialect)
        self._current_questions = CurrentQuestions(engine.dialect)

    @classmethod
    def open(cls, url: str) -> Store:
        """Open a store whose migrations have been run.

        Args:
            url: `sqlite:///path/to/store.db` or `postgresql+psycopg://user@host/database`.

        Raises:
            InvalidStoreUrl: The URL names neither.
            StoreNotFound: There is no such SQLite file, or it is something else.
            SchemaOutdated: Migrations have not been run.
            SchemaTooNew: A later pagesim has migrated it.
            StoreUnavailable: The database cannot be reached.
        """
        parsed = parse_url(url)
        path = sqlite_path(parsed)
        if path is not None and not path.is_file():
            raise StoreNotFound(
                f"There is no store at {path}.",
                remedy=f"Run: pagesim db upgrade --store {describe_url(parsed)}",
                field="store",
            )
        engine = create_engine(parsed)
        try:
            with reading(engine) as connection:
                check_revision(connection)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine)

    @property
    def url(self) -> str:
        """The store's URL as it may be shown: without a password."""
        return describe_url(self._engine.url)

    @property
    def engine(self) -> sa.Engine:
        """Connections, for what is done to the store as a whole: see `timetravel.removal`."""
        return self._engine

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def begin(self, committed_at_micros: int) -> Iterator[Writer]:
        """Hold the one write transaction; commit it at the end, or nothing on an error.

        Args:
            committed_at_micros: What the clock says, in microseconds since 1970-01-01 UTC.

        Raises:
            StoreUnavailable: Another writer holds the store for too long.
        """
        with writing(self._engine) as connection:
            current = CurrentReader(lambda: nullcontext(connection), self._current_questions)
            yield Writer(connection, committed_at=committed_at_micros, current=current)

    def snapshot(self) -> int:
        """Return the newest committed transaction, 0 if there is none."""
        with self._reading() as connection:
            return _newest(connection)

    def digest(self, snapshot: int | None = None) -> str:
        """Return the digest of all facts up to a snapshot; see `timetravel.writing.digest`."""
        newest = self.snapshot() if snapshot is None else snapshot
        return self._scan(newest).digest()

    def as_of(self, snapshot: int | None = None, known_by: int | None = None) -> AsOfReader:
        """Return a reader of the past.

        Args:
            snapshot: Newest transaction to read; None pins the newest there is now.
            known_by: Read as known by this moment rather than by each row's own.

        Raises:
            BeforeRetention: What the snapshot or the moment could see was removed by retention.
        """
        with self._reading() as connection:
            retained = read_retained(connection)
            pinned = _newest(connection) if snapshot is None else snapshot
        retained.check_view(pinned, known_by)
        return AsOfReader(
            partial(self._reading_retained, retained),
            self._as_of_questions,
            snapshot=pinned,
            known_by=known_by,
            retained=retained,
        )

    def pinned(self, snapshot: int, known_by: int | None = None) -> SegmentReader:
        """Return a reader of the past that keeps the catalogue of the snapshot in memory.

        For many questions about one snapshot, where nobody has built a segment of it.
        """
        catalogue = self.segment(snapshot, profile_ids=())
        return SegmentReader(
            catalogue, known_by=known_by, beyond=self.as_of(snapshot, known_by)
        )

    def segment(
        self,
        snapshot: int,
        *,
        directory: SegmentDirectory | None = None,
        profile_ids: Sequence[int] | None = None,
        progress: Progress | None = None,
    ) -> Segment:
        """Return the facts of a snapshot as sorted arrays, for millions of questions.

        Args:
            snapshot: Newest transaction to hold.
            directory: Keeps them on disk, and has them if another process built them; None
                builds them in memory.
            profile_ids: Whose facts to hold; None means everybody's.
            progress: Is told how far a build has come.

        Raises:
            BeforeRetention: What the snapshot could see was removed by retention.
            StoreChanged: Facts were taken out of the store meanwhile.
        """
        self.retained().check_view(snapshot, None)
        if directory is not None:
            self.note_copies(directory.folder, copies.CopyKind.SEGMENTS)
        tables = self._scan(snapshot)
        chosen = None if profile_ids is None else tuple(sorted(set(profile_ids)))
        origin = Origin(tables.digest(), snapshot, chosen)
        if directory is None:
            return build_segment(tables, origin, progress=progress)
        return directory.provide(tables, origin, progress=progress)

    def ledger(self, snapshot: int | None = None, known_by: int | None = None) -> StoreLedger:
        """Return a ledger: who said what when, and what changed since.

        Args:
            snapshot: Newest transaction to read; None pins the newest there is now.
            known_by: Read as known by this moment rather than by the one asked about.
        """
        reader = self.as_of(snapshot, known_by)
        connect = partial(self._reading_retained, reader.retained)
        return StoreLedger(connect, self._as_of_questions, reader)

    def current(self) -> CurrentReader:
        """Return a reader of the store as it is, as the live system sees it."""
        return CurrentReader(self._reading, self._current_questions)

    def logged_pages(
        self,
        *,
        since: int | None = None,
        until: int | None = None,
        profile_ids: Sequence[int] | None = None,
        snapshot: int | None = None,
        known_by: int | None = None,
        with_features: bool = True,
    ) -> Iterator[LoggedPage]:
        """Yield the pages shown in [since, until), ordered by shown_at and profile.

        Args:
            since: First moment; None means from the start.
            until: The moment after the last; None means to the end.
            profile_ids: Whose pages; None means everybody's.
            snapshot: Newest transaction to read; None means the newest there is now.
            known_by: Read pages as known by this moment; None means with all that became
                known later, so without those that have been withdrawn.
            with_features: Whether to read the features that were logged with each page.
        """
        chosen = self._choose(since, until, profile_ids, snapshot, known_by)
        yield from read_logged_pages(self._reading, chosen, with_features=with_features)

    def shown_pages(
        self, *, since: int | None = None, until: int | None = None, snapshot: int | None = None
    ) -> ShownPages:
        """Return moments, profiles and devices of the pages that `logged_pages` would yield."""
        chosen = self._choose(since, until, None, snapshot, None)
        return read_shown(self._reading, chosen)

    def logged_digests(
        self,
        *,
        since: int,
        until: int,
        profile_ids: Sequence[int] | None = None,
        snapshot: int | None = None,
    ) -> LoggedDigests:
        """Return the digests of the pages that `logged_pages` would yield."""
        chosen = self._choose(since, until, profile_ids, snapshot, None)
        return read_digests(self._reading, chosen)

    def count_logged_pages(
        self,
        *,
        since: int | None = None,
        until: int | None = None,
        profile_ids: Sequence[int] | None = None,
        snapshot: int | None = None,
        known_by: int | None = None,
    ) -> int:
        """Return how many pages `logged_pages` would yield."""
        chosen = self._choose(since, until, profile_ids, snapshot, known_by)
        return count_logged_pages(self._reading, chosen)

    def count_facts(self, snapshot: int | None = None) -> Mapping[str, int]:
        """Return the number of versions per kind of fact."""
        newest = self.snapshot() if snapshot is None else snapshot
        with self._reading() as connection:
            return {
                name: connection.execute(FACT_TABLES[kind].count(newest)).scalar_one()
                for name, kind in _COUNTED.items()
            }

    def id_forms(self) -> Mapping[EntityKind, IdForm]:
        """Return how entities are named, of each kind that has any facts."""
        with self._reading() as connection:
            return read_forms(connection)

    def name_entities(self, kind: EntityKind, entity_ids: Sequence[int]) -> Sequence[str]:
        """Return how each entity is named: its text, or its number."""
        return [str(one) for one in self.external_ids(kind, entity_ids)]

    def external_id(self, kind: EntityKind, entity_id: int) -> int | str:
        """Return the id of an entity as it was given; see `external_ids`."""
        return self.external_ids(kind, [entity_id])[0]

    def external_ids(self, kind: EntityKind, entity_ids: Sequence[int]) -> Sequence[int | str]:
        """Return the ids of entities as they were given: whole numbers, or texts."""
        with self._reading() as connection:
            return read_external_ids(connection, kind, entity_ids)

    def entity_texts(self, kind: EntityKind, entity_ids: Sequence[int]) -> Mapping[int, str]:
        """Return the texts of those entities that have one."""
        with self._reading() as connection:
            return read_texts(connection, kind, list(dict.fromkeys(entity_ids)))

    def number_entity(self, kind: EntityKind, name: str) -> int:
        """Return the entity of a name, whether or not there are facts about it.

        Raises:
            InvalidQuestion: The name cannot be that of an entity of the kind.
        """
        with self._reading() as connection:
            return number_entity(connection, kind, name)

    def find_entity(self, kind: EntityKind, name: str) -> int:
        """Return the entity of a name.

        Raises:
            InvalidQuestion: The name cannot be that of an entity of the kind.
            UnknownEntity: The store has texts, and not this one.
        """
        with self._reading() as connection:
            return find_entity(connection, kind, name)

    def attribute_names(self, kind: EntityKind, snapshot: int) -> tuple[str, ...]:
        """Return the attributes that entities of a kind ever had, sorted."""
        with self._reading() as connection:
            return read_attribute_names(connection, kind, snapshot)

    def document_names(self, collection: str, snapshot: int) -> tuple[str, ...]:
        """Return the documents that a collection ever had, sorted."""
        with self._reading() as connection:
            return read_document_names(connection, collection, snapshot)

    def chunk(self, stream: str, sequence: int) -> tuple[Chunk | None, Registry]:
        """Return a chunk of an ingest stream, None if it has not come, and the registry."""
        with self._reading() as connection:
            return read_chunk(connection, stream, sequence), read_registry(connection)

    def newest_chunk(self, stream: str) -> Chunk | None:
        """Return the last chunk of an ingest stream, None if it has brought none."""
        with self._reading() as connection:
            return read_newest_chunk(connection, stream)

    def registry(self, snapshot: int | None = None) -> Registry:
        """Return the feature groups with the fields of every schema version."""
        with self._reading() as connection:
            return read_registry(connection, snapshot)

    def cursor(self, name: str) -> Mapping[str, JsonValue] | None:
        """Return how far a job has come, None if it has not begun."""
        with self._reading() as connection:
            return read_cursor(connection, name)

    def retained(self) -> Retained:
        """Return what can still be asked after retention."""
        with self._reading() as connection:
            return read_retained(connection)

    def upkeep(self) -> Sequence[Upkeep]:
        """Return what was done to the store as a whole, from the first on."""
        with self._reading() as connection:
            return read_upkeep(connection)

    def newest_upkeep(self) -> int:
        """Return the id of the newest upkeep, 0 if there was none."""
        with self._reading() as connection:
            return newest_upkeep(connection)

    def erased_profiles(self, after: int = 0) -> Int64Array:
        """Return the profiles erased by upkeep later than this, ascending."""
        with self._reading() as connection:
            return tombstones.read_erased(connection, after)

    def note_copies(
        self, folder: Path, kind: copies.CopyKind, snapshot: int | None = None
    ) -> None:
        """Note a folder of this machine into which facts are going to be copied.

        Args:
            folder: Where; erasures take erased profiles out of it.
            kind: What it will hold.
            snapshot: Which one the copies pin; None for none.
        """
        place = copies.CopyFolder.here(folder, kind, snapshot)
        with self._reading() as connection:
            known = copies.find_copy_folder(connection, place)
        if known is None or (known.kind, known.snapshot) != (kind, snapshot):
            with writing(self._engine) as connection:
                # What has been taken out of the store by now will not be in the copy.
                noted = replace(place, upkeep_id=newest_upkeep(connection))
                copies.note_copy_folder(connection, noted if known is None else place)

    def _scan(self, snapshot: int) -> TableScan:
        return TableScan(self._reading, self._engine.dialect, snapshot)

    def _reading(self) -> AbstractContextManager[sa.Connection]:
        return reading(self._engine)

    @contextmanager
    def _reading_retained(self, retained: Retained) -> Iterator[sa.Connection]:
        with self._reading() as connection:
            check_retained(connection, retained)
            yield connection

    def _choose(
        self,
        since: int | None,
        until: int | None,
        profile_ids: Sequence[int] | None,
        snapshot: int | None,
        known_by: int | None,
    ) -> LoggedPageFilter:
        newest = self.snapshot() if snapshot is None else snapshot
        self.retained().check_view(newest, known_by)
        return LoggedPageFilter(newest, since, until, profile_ids, known_by)


def _newest(connection: sa.Connection) -> int:
    newest = sa.select(sa.func.max(schema.ingest_transaction.c.tx_id))
    return connection.execute(newest).scalar() or 0
