"""Readers of pinned snapshots, from segments: a snapshot never changes, so it is laid out once.

From a directory comes the segment that was built for an experiment. Where there is none, what
concerns the whole catalogue is laid out in memory, and rows about single profiles come from
SQL. All of it answers alike, bit for bit.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias

from timetravel.as_of import AsOfReader
from timetravel.segments.reader import SegmentReader

if TYPE_CHECKING:
    from timetravel.segments.directory import SegmentDirectory
    from timetravel.store import Store

PastReader: TypeAlias = AsOfReader | SegmentReader
"""Answers from SQL or from a segment; both also give attributes as texts."""


class PinnedReaders:
    """Keeps the readers of the snapshots asked for last; safe to share between threads.

    Args:
        store: To read.
        directory: Where segments may be; they are found there, never built.
        capacity: Snapshots that are held at once.
    """

    def __init__(
        self, store: Store, directory: SegmentDirectory | None = None, *, capacity: int = 2
    ) -> None:
        self._store = store
        self._directory = directory
        self._capacity = capacity
        self._lock = Lock()
        self._readers: OrderedDict[int, SegmentReader] = OrderedDict()

    def as_of(self, snapshot: int | None, known_by: int | None) -> PastReader:
        """Return a reader; from a segment if a snapshot is pinned that has been committed."""
        if snapshot is None:
            return self._store.as_of(None, known_by)
        with self._lock:
            reader = self._readers.get(snapshot)
            if reader is None:
                if snapshot > self._store.snapshot():
                    # It would go on changing, so it must not be kept.
                    return self._store.as_of(snapshot, known_by)
                reader = self._readers[snapshot] = self._pin(snapshot)
            self._readers.move_to_end(snapshot)
            while len(self._readers) > self._capacity:
                self._readers.popitem(last=False)
        return reader.known_by_moment(known_by)

    def _pin(self, snapshot: int) -> SegmentReader:
        if self._directory is not None:
            segment = self._directory.find_any(self._store.digest(snapshot), snapshot)
            if segment is not None:
                return SegmentReader(segment, beyond=self._store.as_of(snapshot))
        return self._store.pinned(snapshot)
