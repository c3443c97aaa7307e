"""The store of facts: open it, append to it, read it."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Self

import sqlalchemy as sa

from timetravel import schema
from timetravel.as_of import AsOfReader
from timetravel.as_of_questions import AsOfQuestions
from timetravel.current import CurrentReader
from timetravel.current_questions import CurrentQuestions
from timetravel.engine import (
    create_engine,
    describe_url,
    parse_url,
    reading,
    sqlite_path,
    writing,
)
from timetravel.errors import StoreNotFound
from timetravel.logged_pages import LoggedPageFilter, count_logged_pages, read_logged_pages
from timetravel.migrate import check_revision
from timetravel.segments.build import build_segment
from timetravel.segments.pages import Pages
from timetravel.segments.reader import SegmentReader
from timetravel.segments.segment import Origin
from timetravel.writer import Writer, read_cursor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType

    from timetravel.logged_pages import LoggedPage
    from timetravel.model import JsonValue
    from timetravel.segments.build import Progress
    from timetravel.segments.directory import SegmentDirectory
    from timetravel.segments.segment import Segment


class Store:
    """A bitemporal store of facts on SQLite or PostgreSQL.

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
        newest = sa.select(sa.func.max(schema.ingest_transaction.c.tx_id))
        with self._reading() as connection:
            return connection.execute(newest).scalar() or 0

    def digest(self, snapshot: int | None = None) -> str:
        """Return the digest of all facts up to a snapshot; see `timetravel.digest`."""
        newest = self.snapshot() if snapshot is None else snapshot
        return self._pages(newest).digest()

    def as_of(self, snapshot: int | None = None, known_by: int | None = None) -> AsOfReader:
        """Return a reader of the past.

        Args:
            snapshot: Newest transaction to read; None pins the newest there is now.
            known_by: Read as known by this moment rather than by each row's own.
        """
        return AsOfReader(
            self._reading,
            self._as_of_questions,
            snapshot=self.snapshot() if snapshot is None else snapshot,
            known_by=known_by,
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
        """
        pages = self._pages(snapshot)
        chosen = None if profile_ids is None else tuple(sorted(set(profile_ids)))
        origin = Origin(pages.digest(), snapshot, chosen)
        if directory is None:
            return build_segment(pages, origin, progress=progress)
        return directory.provide(pages, origin, progress=progress)

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
        with_features: bool = True,
    ) -> Iterator[LoggedPage]:
        """Yield the pages shown in [since, until), ordered by shown_at and profile.

        Args:
            since: First moment; None means from the start.
            until: The moment after the last; None means to the end.
            profile_ids: Whose pages; None means everybody's.
            snapshot: Newest transaction to read; None means the newest there is now.
            with_features: Whether to read the features that were logged with each page.
        """
        chosen = self._choose(since, until, profile_ids, snapshot)
        yield from read_logged_pages(self._reading, chosen, with_features=with_features)

    def count_logged_pages(
        self,
        *,
        since: int | None = None,
        until: int | None = None,
        profile_ids: Sequence[int] | None = None,
        snapshot: int | None = None,
    ) -> int:
        """Return how many pages `logged_pages` would yield."""
        chosen = self._choose(since, until, profile_ids, snapshot)
        return count_logged_pages(self._reading, chosen)

    def count_facts(self, snapshot: int | None = None) -> Mapping[str, int]:
        """Return the number of versions per kind of fact."""
        tables = {
            "features": schema.feature_fact,
            "attributes": schema.attribute_fact,
            "availability": schema.availability_fact,
            "events": schema.event_fact,
            "documents": schema.document_fact,
            "logged_pages": schema.logged_page,
        }
        newest = self.snapshot() if snapshot is None else snapshot
        with self._reading() as connection:
            return {
                kind: connection.execute(
                    sa.select(sa.func.count()).select_from(table).where(table.c.tx_id <= newest)
                ).scalar_one()
                for kind, table in tables.items()
            }

    def cursor(self, name: str) -> Mapping[str, JsonValue] | None:
        """Return how far a job has come, None if it has not begun."""
        with self._reading() as connection:
            return read_cursor(connection, name)

    def _pages(self, snapshot: int) -> Pages:
        return Pages(self._reading, self._engine.dialect, snapshot)

    def _reading(self) -> AbstractContextManager[sa.Connection]:
        return reading(self._engine)

    def _choose(
        self,
        since: int | None,
        until: int | None,
        profile_ids: Sequence[int] | None,
        snapshot: int | None,
    ) -> LoggedPageFilter:
        newest = self.snapshot() if snapshot is None else snapshot
        return LoggedPageFilter(newest, since, until, profile_ids)
