"""The leases that one worker holds: taken, renewed together, and given back."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from experiments.errors import LeaseLost

if TYPE_CHECKING:
    from collections.abc import Mapping

    from experiments.queue.chunk_queue import ChunkQueue, Lease


class HeldLeases:
    """Hold leases of chunks, from several threads.

    Attributes:
        queue: The chunks.

    Args:
        queue: The chunks.
        worker: What the worker is called in the queue.
        seconds: How long a lease lasts, unless it is renewed.
    """

    def __init__(self, queue: ChunkQueue, worker: str, seconds: float) -> None:
        self.queue = queue
        self._worker = worker
        self._seconds = seconds
        self._lock = threading.Lock()
        self._held: set[Lease] = set()

    def take(self, partition: str) -> Lease | None:
        """Take the first chunk of a partition that is due; None if there is none now."""
        lease = self.queue.lease(partition, self._worker, self._seconds)
        if lease is not None:
            with self._lock:
                self._held.add(lease)
        return lease

    def renew(self) -> None:
        """Let every lease begin anew; those that were lost are held no longer."""
        with self._lock:
            held = tuple(self._held)
        for lease in held:
            try:
                self.queue.renew(lease, self._seconds)
            except LeaseLost:
                self.drop(lease)

    def acknowledge(self, lease: Lease, failures: Mapping[str, int]) -> None:
        """Note that a chunk is done: its files are there.

        Raises:
            LeaseLost: Another worker has the chunk.
        """
        self.drop(lease)
        self.queue.acknowledge(lease, failures)

    def fail(self, lease: Lease, error: str, *, pause_seconds: float) -> None:
        """Give a chunk back that could not be made; one that another worker has is its own."""
        self.drop(lease)
        try:
            self.queue.fail(lease, error, pause_seconds=pause_seconds)
        except LeaseLost:
            return

    def drop(self, lease: Lease) -> None:
        """Renew a lease no more: it runs out."""
        with self._lock:
            self._held.discard(lease)
