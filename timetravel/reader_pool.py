"""Readers of pinned snapshots, kept and shared: a snapshot never changes.

From a directory comes the segment that was built for an experiment. Where there is none, what
concerns the whole catalogue is laid out in memory, and rows about single profiles come from
SQL. All of it answers alike, bit for bit.

What was erased, or removed by retention, must not be answered from here any longer: the readers
look every `NOTICE_SECONDS` whether there was any such upkeep, and begin anew.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Final, TypeAlias

from timetravel.errors import StoreChanged
from timetravel.queries.as_of_reader import AsOfReader
from timetravel.segments.reader import SegmentReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from timetravel.segments.directory import SegmentDirectory
    from timetravel.store import Store

PastReader: TypeAlias = AsOfReader | SegmentReader
"""Answers from SQL or from a segment; both also give attributes as texts."""

NOTICE_SECONDS: Final = 0.5
"""An erasure is over when twice this has passed since it changed the store."""


class PinnedReaders:
    """Keeps the readers of the snapshots asked for last; safe to share between threads.

    Args:
        store: To read.
        directory: Where segments may be; they are found there, never built.
        capacity: Snapshots that are held at once.
        now: Tells seconds that only go forward.
    """

    def __init__(
        self,
        store: Store,
        directory: SegmentDirectory | None = None,
        *,
        capacity: int = 2,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._directory = directory
        self._capacity = capacity
        self._lock = Lock()
        self._readers: OrderedDict[int, SegmentReader] = OrderedDict()
        self._now = now
        self._looked_at = now()
        self._upkeep = store.newest_upkeep()

    def as_of(self, snapshot: int | None, known_by: int | None) -> PastReader:
        """Return a reader; from a segment if a snapshot is pinned that has been committed."""
        if snapshot is None:
            return self._store.as_of(None, known_by)
        with self._lock:
            if self._now() - self._looked_at >= NOTICE_SECONDS:
                self._look_for_upkeep()
            reader = self._readers.get(snapshot)
            while reader is None:
                if snapshot > self._store.snapshot():
                    # It would go on changing, so it must not be kept.
                    return self._store.as_of(snapshot, known_by)
                pinned = self._pin(snapshot)
                # Laying it out may take longer than an erasure waits.
                if not self._look_for_upkeep() and pinned is not None:
                    reader = self._readers[snapshot] = pinned
            self._readers.move_to_end(snapshot)
            while len(self._readers) > self._capacity:
                self._readers.popitem(last=False)
        return reader.known_by_moment(known_by)

    def _look_for_upkeep(self) -> bool:
        """Forget all readers if something was taken out of the store; return whether it was."""
        self._looked_at = self._now()
        upkeep = self._store.newest_upkeep()
        if upkeep == self._upkeep:
            return False
        self._upkeep = upkeep
        self._readers.clear()
        return True

    def _pin(self, snapshot: int) -> SegmentReader | None:
        if self._directory is not None:
            segment = self._directory.find_any(self._store.digest(snapshot), snapshot)
            if segment is not None:
                return SegmentReader(segment, beyond=self._store.as_of(snapshot))
        try:
            return self._store.pinned(snapshot)
        except StoreChanged:
            return None
