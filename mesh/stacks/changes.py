"""Publishes every change of a stack to subscribers."""

from __future__ import annotations

import queue
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from core.errors import Exhausted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mesh.topology.stack import StackStatus

_MOST_WATCHERS = 16  # each holds a worker of the server


class StackChanges:
    """Hand every change to every watcher, in the order in which they happen."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watchers: set[queue.SimpleQueue[StackStatus | None]] = set()

    def publish(self, status: StackStatus) -> None:
        """Hand out a change."""
        with self._lock:
            for watcher in self._watchers:
                watcher.put(status)

    @contextmanager
    def watch(self) -> Iterator[queue.SimpleQueue[StackStatus | None]]:
        """Yield a queue that gets every change from now on; put None into it to end it.

        Raises:
            Exhausted: Too many watch already.
        """
        watcher: queue.SimpleQueue[StackStatus | None] = queue.SimpleQueue()
        with self._lock:
            if len(self._watchers) >= _MOST_WATCHERS:
                raise Exhausted(
                    f"{_MOST_WATCHERS} callers watch stacks already.",
                    remedy="Watch once, and hand the changes on.",
                )
            self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            with self._lock:
                self._watchers.discard(watcher)
